//! Compiles the contract with protox, so that no machine needs protoc.

use std::path::PathBuf;

use prost::Message;

const FILES: [&str; 4] = [
    "seqera/agent/v1/errors.proto",
    "seqera/agent/v1/tokens.proto",
    "seqera/agent/v1/sessions.proto",
    "seqera/agent/v1/control.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let descriptors = protox::compile(FILES, ["."])?;
    #[expect(clippy::disallowed_methods, reason = "cargo speaks to build scripts by the environment")]
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        // Generated code must not print a token when somebody formats a message.
        .skip_debug([
            "seqera.agent.v1.AccessToken",
            "seqera.agent.v1.CompleteLoginRequest",
            "seqera.agent.v1.ImportTokenRequest",
            "seqera.agent.v1.DescribeRequest",
            "seqera.agent.v1.TokenEvent",
        ])
        .build_transport(false)
        .compile_fds(descriptors)?;
    for file in FILES {
        println!("cargo:rerun-if-changed={file}");
    }
    Ok(())
}
