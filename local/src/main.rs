//! The local cloud: `cargo run`.

fn main() -> std::process::ExitCode {
    local::main()
}
