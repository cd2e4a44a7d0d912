//! Compiles the contract with protox, so that nobody needs protoc.

use std::path::PathBuf;

use prost::Message;
use prost_types::{FileDescriptorSet, MethodDescriptorProto};

const PACKAGE: &str = "seqera.agent.v1";

const FILES: &[&str] = &[
    "seqera/agent/v1/errors.proto",
    "seqera/agent/v1/token_files.proto",
    "seqera/agent/v1/tokens.proto",
    "seqera/agent/v1/sessions.proto",
    "seqera/agent/v1/leases.proto",
    "seqera/agent/v1/control.proto",
    "seqera/agent/v1/imports.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let descriptors = protox::compile(FILES, ["."])?;
    let out = PathBuf::from(variable("OUT_DIR")?);
    std::fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        // Generated code must not print a token when somebody formats a message.
        .skip_debug([
            "seqera.agent.v1.AccessToken",
            "seqera.agent.v1.CompleteLoginRequest",
            "seqera.agent.v1.CreateLeaseResponse",
            "seqera.agent.v1.ImportTokenRequest",
            "seqera.agent.v1.Network",
            "seqera.agent.v1.DescribeRequest",
            "seqera.agent.v1.AccountOf",
            "seqera.agent.v1.ListOrganizationsRequest",
            "seqera.agent.v1.ListWorkspacesRequest",
            "seqera.agent.v1.TokenEvent",
        ])
        .build_transport(false)
        // Our client uses the constants below: generated clients would make the program larger with each
        // call.
        .build_client(false)
        .compile_fds(descriptors.clone())?;
    std::fs::write(out.join("methods.rs"), methods(&descriptors))?;
    // Builds for users name their commit. Others do not ask git, or each commit would compile everything again.
    let commit = variable("SEQERA_BUILD_COMMIT").unwrap_or_else(|_| "development".to_owned());
    println!("cargo:rustc-env=SEQERA_COMMIT={commit}");
    println!("cargo:rustc-env=SEQERA_TARGET={}", variable("TARGET")?);
    println!("cargo:rerun-if-env-changed=SEQERA_BUILD_COMMIT");
    for file in FILES {
        println!("cargo:rerun-if-changed={file}");
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "cargo passes folders, target and commit in the environment")]
fn variable(name: &str) -> Result<String, std::env::VarError> {
    std::env::var(name)
}

/// A module for each service, with a constant for each of its methods.
fn methods(descriptors: &FileDescriptorSet) -> String {
    let ours = descriptors.file.iter().filter(|file| file.package() == PACKAGE);
    let services = ours.flat_map(|file| &file.service).map(|service| {
        let constants: String =
            service.method.iter().map(|method| constant(service.name(), method)).collect();
        let (name, module) = (service.name(), service.name().to_lowercase());
        format!("/// Service `{name}`.\npub mod {module} {{\n{constants}}}\n")
    });
    services.collect()
}

fn constant(service: &str, method: &MethodDescriptorProto) -> String {
    let name = method.name();
    let kind = if method.server_streaming() { "Streamed" } else { "Method" };
    let message = |full: &str| format!("crate::v1::{}", full.rsplit('.').next().unwrap_or(full));
    let (input, output) = (message(method.input_type()), message(method.output_type()));
    format!(
        "    /// `{service}.{name}`.\n    pub const {}: crate::call::{kind}<{input}, {output}> =\n        \
         crate::call::{kind}::new(\"/{PACKAGE}.{service}/{name}\");\n",
        screaming(name)
    )
}

/// `GetAccessToken` becomes `GET_ACCESS_TOKEN`.
fn screaming(name: &str) -> String {
    let mut word = String::new();
    for (at, letter) in name.char_indices() {
        if at > 0 && letter.is_uppercase() {
            word.push('_');
        }
        word.extend(letter.to_uppercase());
    }
    word
}
