//! A server of the test's own: TLS with an authority of one's own, certificates of clients, seal and restart.

use keyrota::policy::meant::Tls;
use keyrota::secret::Source;
use serde_json::json;

use crate::sentences::words;
use crate::server::Known;
use crate::server::Own;
use crate::server::Server;
use crate::server::by_token;

fn read(server: &Server, tls: Option<&Tls>) -> Result<u16, String> {
    let known = Known::new(&[("TOKEN", &server.token)]);
    let client = server.client_over(tls, by_token(), &known).unwrap();
    let answer = client.get("read", "sys/mounts");
    answer.map(|answer| answer.status).map_err(|fault| words(&fault, &server.token))
}

fn trusting(ca: Option<Source>) -> Tls {
    Tls { ca, cert: None, key: None }
}

#[test]
fn only_whom_the_policy_trusts() {
    let own = Own::start("");
    let server = own.over_tls();
    let authority = trusting(own.file("authority.pem"));
    assert_eq!(read(&server, Some(&authority)), Ok(200));
    let said = read(&server, None).unwrap_err();
    assert!(said.contains("certificate") && said.contains("`tls = { ca ="), "{said}");
    let said = read(&server, Some(&trusting(own.file("stranger.pem")))).unwrap_err();
    assert!(said.contains("the two do not trust each other"), "{said}");
    // One speaks TLS and the other does not.
    let said = read(&Server { addr: server.addr.replace("https", "http"), ..server.clone() }, None).unwrap_err();
    assert!(said.contains("it speaks TLS, and `addr` does not"), "{said}");
    let said = read(&Server { addr: own.server.addr.replace("http", "https"), ..server.clone() }, Some(&authority));
    assert!(said.clone().unwrap_err().contains("127.0.0.1"), "{said:?}");
    // A file that holds no certificate, and one that is not there.
    for name in ["config.hcl", "nothing"] {
        let said = read(&server, Some(&trusting(own.file(name)))).unwrap_err();
        assert!(said.contains(name), "{said}");
    }
}

#[test]
fn a_client_shows_its_certificate_where_the_server_asks_for_it() {
    let own = Own::start("tls_client_ca_file = \"{at}/authority.pem\"\n tls_require_and_verify_client_cert = true");
    let server = own.over_tls();
    let with = |name: &str| Tls {
        ca: own.file("authority.pem"),
        cert: own.file(&format!("{name}.pem")),
        key: own.file(&format!("{name}.key")),
    };
    assert_eq!(read(&server, Some(&with("client"))), Ok(200));
    for other in [trusting(own.file("authority.pem")), with("stranger-client")] {
        let said = read(&server, Some(&other)).unwrap_err();
        assert!(said.contains("127.0.0.1"), "{said}");
    }
    let crossed = Tls { key: own.file("stranger-client.key"), ..with("client") };
    let said = read(&server, Some(&crossed)).unwrap_err();
    assert!(said.contains("prepare TLS"), "{said}");
}

#[test]
fn a_sealed_server_is_said_and_a_restarted_one_is_the_same_world() {
    let mut own = Own::start("");
    own.server.put("sys/mounts/kv", json!({ "type": "kv", "options": { "version": "2" } }));
    let client = own.server.client_with(&own.server.token);
    // An engine that was mounted a moment ago is not yet ready: that passes by itself.
    let body = keyrota::openbao::json("write", &json!({ "data": { "x": "1" } })).ok().unwrap();
    assert!(client.put("write", "kv/data/a", &body).unwrap().is_good());
    let world = client.world("kv").unwrap();
    assert!(world.starts_with("cluster "), "{world}");
    assert!(client.get("read", "kv/data/a").unwrap().is_good());
    own.server.put("sys/seal", json!({}));
    for fault in [client.get("read", "kv/data/a").err().unwrap(), client.world("kv").unwrap_err()] {
        let said = words(&fault, &own.server.token);
        assert!(
            fault.may_retry() && said.contains("the server is sealed") && said.contains("bao operator unseal"),
            "{said}"
        );
    }
    own.unseal();
    assert!(client.get("read", "kv/data/a").unwrap().is_good());
    own.stop();
    let fault = client.get("read", "kv/data/a").err().unwrap();
    assert!(fault.may_retry(), "{fault}");
    own.run();
    own.unseal();
    assert!(client.get("read", "kv/data/a").unwrap().is_good());
    assert_eq!(client.world("kv").unwrap(), world);
}
