// A clock that tests can move forward. Import it before anything that keeps a reference to Date.

const RealDate = globalThis.Date;
let offset = 0;

class MovableDate extends RealDate {
  constructor(...args) {
    if (args.length === 0) super(RealDate.now() + offset);
    else super(...args);
  }

  static now() {
    return RealDate.now() + offset;
  }
}

globalThis.Date = MovableDate;

export function advance(seconds) {
  if (!Number.isFinite(seconds) || seconds < 0) throw new RangeError('seconds must be a number that is not negative');
  offset += seconds * 1000;
  return offset / 1000;
}

export function resetClock() {
  offset = 0;
}
