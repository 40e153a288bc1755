//! Going back, before the fuse and after it: the old key is first and current again, the new one stays behind it, and whatever
//! anybody wrote in between still opens.

use std::sync::Arc;

use keyrota::backend::openbao_kv::Layout;
use keyrota::backend::openbao_kv::OpenbaoKv;
use keyrota::model::Change;
use keyrota::policy::meant::backend::KeySet;
use keyrota::port::backend::Backend;
use keyrota::template::Template;
use serde_json::Value;

use super::bao::Known;
use super::bao::Server;
use super::bao::by_token;
use super::site::Site;
use super::site::until_last;

const PLACE: &str = "encryption/keys/stored_data";

/// The backend as the policy has it.
fn backend(bao: &Server) -> OpenbaoKv {
    let known: Arc<Known> = Known::new(&[("TOKEN", &bao.token)]);
    let layout = Layout {
        mount: "services/all/kv".to_owned(),
        versions: KeySet {
            field: "keys".into(),
            codings: vec!["base64".into(), "jwks".into()],
            newest: "first".into(),
        },
        alongside: vec!["private_jwks".to_owned()],
        current: Some("current_kid".to_owned()),
        set: [("jwe_mapping".to_owned(), Template::parse(r#"{"payload_jwe_kid":"{{ current.id }}"}"#).unwrap())].into(),
        id: Template::parse("{{ uuid1 }}").unwrap(),
    };
    OpenbaoKv::new("openbao", bao.client(by_token(), &known), layout).unwrap()
}

fn switch(site: &Site, to: &str) {
    let change = Change::Switch { to: to.parse().unwrap() };
    backend(&site.bao).change(PLACE, &change, None, std::time::SystemTime::now().into()).unwrap();
    assert_eq!(site.current(), to);
}

#[test]
fn going_back_before_and_after_the_fuse_loses_no_key() {
    let site = Site::new(Server::fresh(), None, 200, &[]);
    site.plan();
    let said = site.begin();
    assert_eq!(said.code, Some(3), "{}\n{}", said.out, said.err);
    let new = site.current();
    // Before the fuse: the other service has written with the new key already, ESS has not.
    until_last(&site.others[0], "WRITES", &new);
    switch(&site, &site.old);
    until_last(&site.others[0], "WRITES", &site.old);
    assert!(!site.audit().contains_key(&new));
    // Forward again, until every pod writes with it; then back.
    switch(&site, &new);
    site.until_all_write(&new);
    switch(&site, &site.old);
    site.until_all_write(&site.old);
    let counts = site.audit();
    assert!(counts[&new] > 0 && counts[&site.old] > 200, "{counts:?}");
    let kept: Value = serde_json::from_str(&site.python("audit.py", &["secrets.db"])).unwrap();
    assert_eq!(kept["kids"], serde_json::json!([site.old, new]));
    site.nobody_failed();
}
