//! A second set-up: TLS with an authority of one's own, a login by AppRole, a namespace; and a role that may not write yet.

use serde_json::json;

use super::bao::Own;
use super::bao::Server;
use super::site::AT;
use super::site::Site;

#[test]
fn over_tls_by_approle_in_a_namespace_and_only_once_it_may() {
    let own = Own::start("");
    own.server.put("sys/namespaces/nvcf", json!({}));
    let bao = Server { namespace: Some("nvcf".to_owned()), ..own.server.clone() };
    bao.put("sys/auth/approle", json!({ "type": "approle" }));
    let may = |capabilities: &str| {
        bao.policy("rotator", &format!("path \"{AT}\" {{ capabilities = [{capabilities}] }}"));
    };
    may("\"read\"");
    bao.put("auth/approle/role/rotator", json!({ "token_policies": ["rotator"], "token_ttl": "20s" }));
    let role = bao.get("auth/approle/role/rotator/role-id")["data"]["role_id"].as_str().unwrap().to_owned();
    let secret = bao.put("auth/approle/role/rotator/secret-id", json!({}))["data"]["secret_id"].clone();
    let authority = own.at().join("authority.pem").display().to_string();
    let login = format!(
        "auth = {{ login = \"approle\", role = \"{role}\", secret_id = {{ env = \"NVCF_SECRET_ID\" }} }}\n\
         tls = {{ ca = {{ file = \"{authority}\" }} }}"
    );
    let token = "auth = { token = { env = \"BAO_TOKEN\" } }";
    let site = Site::new(bao.clone(), Some((&own.sealed_addr, &authority)), 20, &[(token, &login)]);
    site.stage.set("NVCF_SECRET_ID", secret.as_str().unwrap());
    // To plan it is enough to read; what is missing to apply is found before the first act.
    site.plan();
    let before = site.document();
    let said = site.stage.run(&["apply", "plan.json"]);
    let text = format!("{}{}", said.out, said.err);
    assert_ne!(said.code, Some(0), "{text}");
    assert!(text.contains(&format!("path \"{AT}\" {{ capabilities = [\"update\"] }}")), "{text}");
    assert_eq!(site.document(), before);
    may("\"read\", \"update\"");
    // To sign the document takes a right of its own; who does not give it says so in the policy.
    let said = site.stage.run(&["apply", "plan.json"]);
    let text = format!("{}{}", said.out, said.err);
    let metadata = AT.replace("/data/", "/metadata/");
    assert!(said.code != Some(0) && text.contains("or write `mark = false`") && text.contains(&metadata), "{text}");
    assert_eq!(site.document(), before);
    site.policy(&[(token, &login), ("mount =", "mark = false\nmount =")]);
    site.plan();
    let said = site.begin();
    assert_eq!(said.code, Some(3), "{}\n{}", said.out, said.err);
    // Every attempt logs in; the one that stays outlives its token's 20 seconds.
    let said = site.again(&["apply", "--wait"]);
    assert_eq!(said.code, Some(0), "{}\n{}", said.out, said.err);
    let new = site.current();
    assert_ne!(new, site.old);
    site.until_all_write(&new);
    site.nobody_failed();
    assert!(site.audit()[&new] > 0);
}
