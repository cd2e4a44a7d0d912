//! The least issuer that oidc-agent takes: it names its endpoints, and gives a token for any refresh token.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

use serde_json::json;

/// Serves on this machine for as long as this process lives, and says where.
pub(super) fn serve() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port of this machine");
    let issuer = format!("http://{}", listener.local_addr().expect("it is bound"));
    let own = issuer.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = answer(stream, &own);
        }
    });
    issuer
}

fn answer(stream: TcpStream, issuer: &str) -> std::io::Result<()> {
    let mut reader = BufReader::new(&stream);
    let (mut line, mut length, mut first) = (String::new(), 0, None);
    while reader.read_line(&mut line)? > 2 {
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap_or(0);
        }
        first.get_or_insert_with(|| line.clone());
        line.clear();
    }
    std::io::copy(&mut reader.take(length), &mut std::io::sink())?;
    let body = match first.is_some_and(|line| line.starts_with("POST")) {
        // About as long as an access token of the Platform.
        true => json!({
            "access_token": "t".repeat(900), "refresh_token": "r", "expires_in": 86_400, "token_type": "Bearer",
        }),
        false => json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "jwks_uri": format!("{issuer}/keys"),
            "response_types_supported": ["code"],
            "grant_types_supported": ["refresh_token"],
            "scopes_supported": ["openid", "offline_access"],
        }),
    }
    .to_string();
    let length = body.len();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length:";
    write!(&stream, "{head} {length}\r\n\r\n{body}")
}
