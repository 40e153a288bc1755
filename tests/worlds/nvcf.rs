//! Three pods of ESS that read a key set every so often and write with its newest key by themselves after a while, another
//! service that follows the current one at once, and keyrota's own program turning their key while they read and write.
//! Their rules are in `python/nvcf/`.

use crate::bao;

mod back;
mod lost;
mod refusals;
mod rotation;
mod second;
mod site;
mod stuck;
