def test_login(logged_in_client, tenant):
    r = logged_in_client.get("/bare/")
    assert r.content == b"bare auth0|602e93db83fa6f00749a23e6"
    tenant.api.lifetime = 100
    t1 = logged_in_client.get("/token/").content
    tenant.clock.advance(86400)
    t2 = logged_in_client.get("/token/").content
    assert t1 != t2
    assert tenant.count("/oauth/token", grant_type="refresh_token") == 1
    r = logged_in_client.post("/auth0/logout/")
    print(r.status_code, r.get("Location"))
