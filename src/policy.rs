//! Policy text in, `Policy` out, or every problem at once; lint; schema.
//! Never here: the world. What a policy names is looked at by `survey` and touched by `executor`.

mod cross;
mod lint;
mod meaning;
pub mod meant;
mod place;
mod placeholders;
mod problem;
mod read;
mod shape;
mod sheet;
mod show;
#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may stop at the first surprise"
)]
mod tests;
mod tree;
mod words;
mod written;

pub use lint::guard_is_for;
pub use meaning::Around;
pub use meant::Policy;
pub use meant::Project;
pub use problem::Level;
pub use problem::Problem;
pub use problem::visible;
pub use read::Read;
pub use read::Text;
pub use read::Texts;
pub use read::read;
pub use sheet::FILE_BYTES_MAX;
pub use show::Look;
pub use show::sarif;
pub use show::show;
pub use words::Kind;
pub use words::schema;
pub use words::table as words_table;
