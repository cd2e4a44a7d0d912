//! Tests of files of certificate authorities.

use super::*;

/// Made with `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -days 36500`.
const GOOD: &str = "\
-----BEGIN CERTIFICATE-----
MIIBjjCCATOgAwIBAgIUMYIZMgMIMEPe9vf4OlI7YgIaDw0wCgYIKoZIzj0EAwIw
GzEZMBcGA1UEAwwQQSB0ZXN0IGF1dGhvcml0eTAgFw0yNjExMjgyMjM2NTVaGA8y
MTI2MTEwNDIyMzY1NVowGzEZMBcGA1UEAwwQQSB0ZXN0IGF1dGhvcml0eTBZMBMG
ByqGSM49AgEGCCqGSM49AwEHA0IABH9g0ZdtUDswgOk3m2pKHyhPSPcjRehQcZuw
cbNXM5R0YyPNBJXWy/XVTOBycKlrAXve/wGirEG/2/Xb9Q/cCoujUzBRMB0GA1Ud
DgQWBBTeU0BTPTOxAPpsO1DDZpdScowr5DAfBgNVHSMEGDAWgBTeU0BTPTOxAPps
O1DDZpdScowr5DAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0kAMEYCIQCK
G77XTd7d3hdrPbIKXqVEN0A3zPjOYyw/cQnlnlz1GgIhAOsz22+3MB6ef8OnoLse
OnZjKxIbFmDaBoE5H76h/RQ7
-----END CERTIFICATE-----
";

/// Three zeros are no certificate.
const BAD: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

fn der() -> Vec<u8> {
    let base64: String = GOOD.lines().filter(|line| !line.starts_with('-')).collect();
    STANDARD.decode(base64).unwrap()
}

/// How many certificates there are, and what is said of the others.
fn count(bytes: impl AsRef<[u8]>) -> (usize, Vec<String>) {
    let bundle = read(bytes.as_ref()).unwrap_or_else(|why| panic!("{why}"));
    (bundle.certificates.len(), bundle.skipped)
}

#[test]
fn one_bad_certificate_spoils_no_other_and_is_named_with_its_place_and_the_reason() {
    let no_base64 = GOOD.replace("MII", "M!I");
    let (good, skipped) = count(format!("{GOOD}{BAD}\n{GOOD}{no_base64}"));
    assert_eq!(good, 2);
    let lines = GOOD.lines().count();
    assert!(skipped[0].starts_with(&format!("certificate 2 (line {}): ", lines + 1)), "{skipped:?}");
    assert!(skipped[0].len() > "certificate 2 (line 12): ".len(), "{skipped:?}");
    let last = format!("certificate 4 (line {}): it is not base64", 2 * lines + 5);
    assert_eq!(skipped[1..], [last]);
}

#[test]
fn a_block_without_its_end_takes_no_other_with_it() {
    let cut = GOOD.lines().take(4).collect::<Vec<_>>().join("\n");
    for (text, place) in
        [(format!("{cut}\n{GOOD}"), "certificate 1"), (format!("{GOOD}{cut}"), "certificate 2")]
    {
        let (good, skipped) = count(text);
        assert_eq!(good, 1);
        assert!(skipped[0].starts_with(place) && skipped[0].ends_with("it has no end"), "{skipped:?}");
    }
}

#[test]
fn it_is_read_as_each_system_and_program_saves_it() {
    let windows = GOOD.replace('\n', "\r\n");
    let wide = |bytes: fn(u16) -> [u8; 2]| {
        format!("\u{feff}{windows}").encode_utf16().flat_map(bytes).collect::<Vec<_>>()
    };
    let mut latin1 = b"# T\xfcrkiye, issuer: a=b\n".to_vec();
    latin1.extend_from_slice(GOOD.as_bytes());
    let indented: String = GOOD.lines().map(|line| format!("  {line} \n")).collect();
    let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    for bytes in [
        GOOD.as_bytes().to_vec(),
        windows.clone().into_bytes(),
        format!("\u{feff}{GOOD}").into_bytes(),
        format!("\u{feff}{GOOD}\u{feff}{BAD}").into_bytes(),
        wide(u16::to_le_bytes),
        wide(u16::to_be_bytes),
        latin1,
        indented.into_bytes(),
        format!("subject=A\nissuer=A\n{GOOD}\nthe end").into_bytes(),
        format!("{key}{GOOD}").into_bytes(),
        GOOD.trim_end().as_bytes().to_vec(),
        GOOD.replace("CERTIFICATE", "X509 CERTIFICATE").into_bytes(),
        der(),
    ] {
        assert_eq!(count(&bytes).0, 1, "{}", String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn what_openssl_appends_for_trust_is_left_out() {
    let mut trusted = der();
    // X509_CERT_AUX: trusted for servers, and an alias.
    trusted.extend_from_slice(b"\x30\x0e\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x01\x0c\x00");
    let block = format!(
        "-----BEGIN TRUSTED CERTIFICATE-----\n{}\n-----END TRUSTED CERTIFICATE-----",
        STANDARD.encode(&trusted)
    );
    assert_eq!(count(block), (1, Vec::new()));
    assert_eq!(count(trusted), (1, Vec::new()));
}

#[test]
fn a_file_without_a_certificate_is_refused_with_the_reason() {
    for (bytes, said) in [
        (&b""[..], "it is empty"),
        (b" \r\n", "it is empty"),
        (b"not PEM", "no PEM certificate"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "no PEM certificate"),
        (BAD.as_bytes(), "certificate 1 (line 1): "),
        (b"\x30\x82\x01\x00\x02", "the certificate in DER: it is cut off"),
        (b"\x30\x82\x00\x01\x02", "the certificate in DER: "),
    ] {
        let why = read(bytes).err().expect(said);
        assert!(why.contains(said), "{why}");
    }
    let none = read(format!("{BAD}{BAD}").as_bytes()).err().unwrap();
    assert!(none.starts_with("none of its 2 certificates can be used; certificate 1 (line 1): "), "{none}");
}
