//! A file of certificate authorities, as companies hand it out: joined from many files by hand, with remarks
//! between, saved by editors of every system. One bad certificate spoils no other (as in OpenSSL and Go).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Certificate;
use seqera_agent_proto::values::text;

use super::client::builder;
use super::fault::told;

/// The labels of RFC 7468, section 5, of its predecessors, and of OpenSSL, which appends what a certificate is
/// trusted for.
const LABELS: [&str; 3] = ["CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"];

/// What is in the file.
pub(crate) struct Bundle {
    pub(super) certificates: Vec<Certificate>,
    /// What is left out: which one, and why.
    pub(crate) skipped: Vec<String>,
}

/// Reads the file. Takes some milliseconds for each hundred certificates.
///
/// # Errors
/// There is no certificate that can be used; completes a sentence that begins with the file.
pub(crate) fn read(bytes: &[u8]) -> Result<Bundle, String> {
    if bytes.trim_ascii().is_empty() {
        return Err("it is empty".to_owned());
    }
    let found = if is_der(bytes) { vec![Found::whole(bytes)] } else { blocks(bytes) };
    if found.is_empty() {
        return Err("it contains no PEM certificate".to_owned());
    }
    let mut bundle = Bundle { certificates: Vec::new(), skipped: Vec::new() };
    for Found { place, der } in found {
        match der.map_err(str::to_owned).and_then(|der| usable(&der)) {
            Ok(certificate) => bundle.certificates.push(certificate),
            Err(why) => bundle.skipped.push(format!("{place}: {why}")),
        }
    }
    match (bundle.certificates.is_empty(), bundle.skipped.first()) {
        (true, Some(first)) if bundle.skipped.len() == 1 => Err(first.clone()),
        (true, Some(first)) => {
            Err(format!("none of its {} certificates can be used; {first}", bundle.skipped.len()))
        }
        _ => Ok(bundle),
    }
}

/// A certificate of the file, or why there is none in its place.
struct Found {
    place: String,
    der: Result<Vec<u8>, &'static str>,
}

impl Found {
    fn whole(bytes: &[u8]) -> Self {
        let der = first(bytes).map(<[u8]>::to_vec).ok_or("it is cut off");
        Self { place: "the certificate in DER".to_owned(), der }
    }
}

/// Whether TLS can use it. The library says so only for all at once.
fn usable(der: &[u8]) -> Result<Certificate, String> {
    let certificate = Certificate::from_der(der).map_err(told)?;
    builder().tls_certs_only([certificate.clone()]).build().map(|_| certificate).map_err(told)
}

/// True for the beginning of a binary file: a sequence with a length of more than one byte (X.690, section 8.1.3).
fn is_der(bytes: &[u8]) -> bool {
    matches!(bytes, [0x30, 0x81..=0x84, ..])
}

/// The first element of DER without what follows it.
fn first(der: &[u8]) -> Option<&[u8]> {
    let (short, rest) = (*der.get(1)?, der.get(2..)?);
    let long = if short & 0x80 == 0 { 0 } else { usize::from(short & 0x7f) };
    let length = match long {
        0 => usize::from(short),
        1..=4 => rest.get(..long)?.iter().fold(0, |length, byte| (length << 8) | usize::from(*byte)),
        _ => return None,
    };
    der.get(..length.checked_add(2 + long)?)
}

/// The blocks of PEM. What stands between them is for people, in whatever encoding.
fn blocks(bytes: &[u8]) -> Vec<Found> {
    let text = text::decoded(bytes).unwrap_or_else(|_| String::from_utf8_lossy(bytes).into_owned());
    let mut found: Vec<Found> = Vec::new();
    let mut open: Option<(String, String)> = None;
    for (number, line) in text.lines().enumerate() {
        let line = text::trimmed(line);
        if is_mark(line, "BEGIN") {
            found.extend(open.take().map(|(place, _)| Found { place, der: Err("it has no end") }));
            open = Some((format!("certificate {} (line {})", found.len() + 1, number + 1), String::new()));
        } else if is_mark(line, "END") {
            found.extend(open.take().map(|(place, base64)| Found { place, der: decoded(&base64) }));
        } else if let Some((_, base64)) = &mut open {
            base64.push_str(line);
        }
    }
    found.extend(open.map(|(place, _)| Found { place, der: Err("it has no end") }));
    found
}

fn is_mark(line: &str, which: &str) -> bool {
    let label = line.strip_prefix("-----").and_then(|line| line.strip_suffix("-----"));
    let label = label.and_then(|label| label.strip_prefix(which)).map(str::trim);
    label.is_some_and(|label| LABELS.contains(&label))
}

fn decoded(base64: &str) -> Result<Vec<u8>, &'static str> {
    let base64: String = base64.split_whitespace().collect();
    let der = STANDARD.decode(base64).map_err(|_| "it is not base64")?;
    first(&der).map(<[u8]>::to_vec).ok_or("it is cut off")
}

#[cfg(test)]
mod tests;
