//! The `live-stream` function's program. See the library of the same name.

fn main() -> std::process::ExitCode {
    live_stream::main()
}
