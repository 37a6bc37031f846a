//! The `replies` function's program. See the library of the same name.

fn main() -> std::process::ExitCode {
    replies::main()
}
