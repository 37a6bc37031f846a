//! The `human-control` function's program. See the library of the same name.

fn main() -> std::process::ExitCode {
    human_control::main()
}
