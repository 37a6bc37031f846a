//! The `chat` function's program. See the library of the same name.

fn main() -> std::process::ExitCode {
    chat::main()
}
