//! Certificates of a test's own authority.

use std::process::Command;

use tempfile::TempDir;

/// An authority and a certificate for 127.0.0.1 that it has signed, made by openssl: `authority.pem`, `node.pem` and `node.key`.
pub fn certificate() -> TempDir {
    let dir = TempDir::new().unwrap();
    let openssl = |arguments: &str| {
        let output = Command::new("openssl").current_dir(&dir).args(arguments.split_whitespace()).output().unwrap();
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    };
    std::fs::write(dir.path().join("names"), "subjectAltName=IP:127.0.0.1,DNS:localhost").unwrap();
    openssl("req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout authority.key -out authority.pem");
    openssl("req -newkey rsa:2048 -nodes -subj /CN=node -keyout node.key -out node.request");
    openssl("x509 -req -in node.request -CA authority.pem -CAkey authority.key -days 2 -extfile names -out node.pem");
    dir
}
