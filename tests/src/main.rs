//! The program under test: the local cloud, built here because Cargo tells a test the path of its own package's
//! binaries only.

fn main() -> std::process::ExitCode {
    local::main()
}
