//! A world is only as strict as the real thing if it says no where the real thing says no.

use super::bao::Server;
use super::site::Site;
use super::site::prepared;
use super::site::say;

const REFUSALS: &str = "a value under its own associated data: taken
a value bound to another row: refused
a value that is bound, opened as if it were not: refused
a value that is free, opened as if it were bound: refused
a value that holds another text: refused
a value of a version that is not there: refused
a value with one letter changed: refused
a value that is cut off: refused
a text that nobody sealed: refused
a value below the floor: refused
";

#[test]
fn the_applications_say_no_where_the_engine_does() {
    let site = Site::still(prepared(Server::fresh()), 1);
    site.stage.set("APP_TOKEN", &site.bao.token);
    assert_eq!(say(&site.stage, "refusals.py", &[]), REFUSALS);
}
