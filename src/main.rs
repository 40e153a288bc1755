//! The thin binary.

fn main() -> std::process::ExitCode {
    keyrota::cli::main()
}
