"""What the admin of our rows is made of: lists that never read a whole table, a search by index, the end of logins."""
