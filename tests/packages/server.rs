//! A web server on loopback for what a release and a registry hold.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// Serves files by their paths until the process ends.
pub(crate) struct Server {
    /// Its address, without a slash at the end.
    pub(crate) url: String,
    files: Arc<Mutex<HashMap<String, Vec<u8>>>>,
}

impl Server {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let files = Arc::new(Mutex::new(HashMap::new()));
        let served = Arc::clone(&files);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let files = Arc::clone(&served);
                std::thread::spawn(move || answer(stream, &files));
            }
        });
        Self { url, files }
    }

    /// Puts a file at a path, which begins with a slash.
    pub(crate) fn put(&self, path: &str, content: impl Into<Vec<u8>>) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.insert(path.to_owned(), content.into());
    }

    /// Puts a file of this machine below `/`.
    pub(crate) fn put_file(&self, file: &Path) {
        let name = file.file_name().expect("a name").to_string_lossy();
        self.put(&format!("/{name}"), std::fs::read(file).expect("a file"));
    }
}

/// One answer a connection. A client that hangs up is no problem of the server.
fn answer(mut stream: TcpStream, files: &Mutex<HashMap<String, Vec<u8>>>) {
    let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
    let first = lines.next().unwrap_or_default();
    // To the end of the head; an open connection with unread bytes would be reset.
    lines.take_while(|line| !line.is_empty()).for_each(drop);
    let path = first.split(' ').nth(1).unwrap_or_default().replace("%2f", "/");
    let found = files.lock().unwrap_or_else(PoisonError::into_inner).get(&path).cloned();
    let (status, body) = found.map_or(("404 Not Found", b"{}".to_vec()), |body| ("200 OK", body));
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
}
