//! The `llm-stream` function's program. See the library of the same name.

fn main() -> std::process::ExitCode {
    llm_stream::main()
}
