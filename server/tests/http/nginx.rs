//! The site file for nginx.

use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn nginx_takes_the_site_file() {
    if Command::new("nginx").arg("-v").output().is_err() {
        eprintln!("skipped: nginx is not installed");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let site = Path::new(env!("CARGO_MANIFEST_DIR")).join("nginx/truecopy.conf");
    // Ports and folders that need no privileges.
    let site =
        fs::read_to_string(site).unwrap().replace(":80;", ":8080;").replace("listen 80;", "listen 8080;");
    fs::write(folder.path().join("truecopy.conf"), site).unwrap();
    let paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {}/{name};", folder.path().display()))
        .concat();
    let whole = format!(
        "pid {0}/pid;\nerror_log stderr;\nevents {{ }}\nhttp {{ access_log off; {paths} include {0}/truecopy.conf; }}\n",
        folder.path().display()
    );
    let path = folder.path().join("nginx.conf");
    fs::write(&path, whole).unwrap();
    let output = Command::new("nginx").arg("-t").arg("-c").arg(&path).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
