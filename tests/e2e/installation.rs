//! An installation of its own, as a package, a module tree or a conda environment makes one.

use std::path::PathBuf;
use std::time::Duration;

use seqera_tests::sandbox::ADA;
use seqera_tests::{Home, Invocation, binaries, browser};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(30);

/// Both programs in a prefix of their own, as a module tree or a conda environment has them. Its agent ends with it.
pub(crate) struct Installation<'h> {
    home: &'h Home,
    pub prefix: PathBuf,
}

impl<'h> Installation<'h> {
    pub(crate) fn new(home: &'h Home, name: &str) -> Self {
        let prefix = home.root().join(name);
        std::fs::create_dir_all(prefix.join("bin")).expect("the folder can be made");
        for program in [&binaries().client, &binaries().agent] {
            let copy = prefix.join("bin").join(program.file_name().expect("a program has a name"));
            std::fs::copy(program, copy).expect("the program can be copied");
        }
        Self { home, prefix }
    }

    pub(crate) fn with(self, site: &Value) -> Self {
        self.write(&site.to_string());
        self
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.prefix.join("etc/seqera-agent/config.json")
    }

    pub(crate) fn write(&self, text: &str) {
        let file = self.file();
        std::fs::create_dir_all(file.parent().expect("a file lies in a folder"))
            .expect("the folder can be made");
        std::fs::write(file, text).expect("the file can be written");
    }

    pub(crate) fn seqera(&self, args: &str) -> Invocation {
        self.home.program(self.prefix.join("bin/seqera")).args(args.split_whitespace())
    }

    pub(crate) fn sign_in(&self, args: &str) -> Value {
        let mut login = self.seqera(&format!("login --no-browser {args}")).start();
        let url = login.until("authorization URL", browser::authorization_url);
        browser::sign_in(&url, ADA);
        login.finish(LIMIT).ok();
        self.seqera("status -o json").run().ok().json()
    }

    pub(crate) fn doctor(&self) -> String {
        self.seqera("agent doctor").run().stdout
    }
}

impl Drop for Installation<'_> {
    fn drop(&mut self) {
        if self.prefix.join("bin/seqera").exists() {
            self.seqera("agent stop --force").run();
        }
    }
}
