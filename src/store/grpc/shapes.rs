//! Where the shapes of messages come from: the server, a descriptor set, `.proto` files.

use crate::fault::Fault;
use crate::policy::meant::store::Grpc as Meant;
use crate::policy::meant::store::Shapes;
use crate::store::grpc::line::Line;
use crate::store::grpc::reflection;
use prost_reflect::DescriptorPool;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

/// More than this is no descriptor set.
const SET_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Everything that is known of the service's messages.
pub(super) fn resolve(meant: &Meant, folder: &Path, line: &Line) -> Result<DescriptorPool, Fault> {
    let service = meant.method.split('/').next().unwrap_or_default();
    match &meant.shapes {
        Shapes::Reflection => decode("the server", &reflection::ask(line, service)?),
        Shapes::DescriptorSet(file) => {
            let path = folder.join(file);
            let doing = format!("read the descriptor set `{file}`");
            let size = fs::metadata(&path).map_err(|error| Fault::io(&doing, &error))?.len();
            if size > SET_BYTES_MAX {
                return Err(Fault::ask_operator(doing, format!("it has {size} bytes")));
            }
            decode(file, &fs::read(&path).map_err(|error| Fault::io(doing, &error))?)
        }
        Shapes::Proto { file, include } => compile(folder, file, include),
    }
}

fn decode(whose: &str, bytes: &[u8]) -> Result<DescriptorPool, Fault> {
    let mut pool = DescriptorPool::global();
    pool.decode_file_descriptor_set(bytes).map_err(|why| {
        Fault::ask_operator(format!("read the shapes of {whose}"), why)
            .hint("write the file with `protoc --descriptor_set_out=FILE --include_imports`")
    })?;
    Ok(pool)
}

fn compile(folder: &Path, file: &str, include: &[String]) -> Result<DescriptorPool, Fault> {
    let path = folder.join(file);
    let own = path.parent().map(Path::to_owned).unwrap_or_default();
    let folders: Vec<PathBuf> =
        if include.is_empty() { vec![own] } else { include.iter().map(|one| folder.join(one)).collect() };
    let doing = format!("read the shapes in `{file}`");
    let set = protox::compile([&path], &folders).map_err(|why| {
        Fault::ask_operator(&doing, why).hint("`include` names the folders in which what it imports is found")
    })?;
    DescriptorPool::from_file_descriptor_set(set).map_err(|why| Fault::ask_operator(doing, why))
}
