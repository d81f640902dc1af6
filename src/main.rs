// SPDX-License-Identifier: Apache-2.0
//! The program `wirebeat`.

fn main() -> std::process::ExitCode {
    wirebeat::run::main(std::env::args_os())
}
