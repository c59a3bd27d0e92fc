// SPDX-License-Identifier: BSD-2-Clause
//! TAs, built and signed in two flavours: "bound" as written, "stock" without the flag that a stock core refuses.

use crate::arch::Arch;
use crate::bases::top;
use crate::tool::{emptied, run};
use anyhow::{Context, Result};
use clap::ValueEnum;
use client_binding_proto::probe::{DECLARED, FLAVOURS, Flavour, LARGE};
use client_binding_proto::{TaUuid, bench, relay, signer, vault, whoami};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

/// Where tee-supplicant looks for TAs.
const INSTALLED: &str = "usr/lib/optee_armtz";

/// A folder of ta/
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Ta {
    Whoami,
    Vault,
    Relay,
    Signer,
    Bench,
    /// In all of its flavours.
    Probe,
    /// In C.
    VaultC,
}

/// The UUID of a TA in Rust, or of a flavour of the probe.
pub(crate) fn uuid(name: &str) -> Result<TaUuid> {
    Ok(match name {
        "whoami" => whoami::UUID,
        "vault" => vault::UUID,
        "relay" => relay::UUID,
        "signer" => signer::UUID,
        "bench" => bench::UUID,
        other => {
            let large = bench::LARGE.iter().find(|large| large.name == other);
            let flavour = Flavour::named(other).map(|flavour| flavour.uuid);
            flavour
                .or(large.map(|large| large.uuid))
                .with_context(|| format!("no TA {name:?}, and no flavour of the probe"))?
        }
    })
}

/// Builds them: OUT/bound and OUT/stock are to be copied over a guest's root, OUT/elf has what a debugger wants.
pub(crate) fn build(arch: Arch, out: &Path, tas: &[Ta], clients: Option<&Path>) -> Result<()> {
    let kit = Kit::from_environment(arch)?;
    kit.notice()?;
    for variant in ["bound", "stock"] {
        emptied(out.join(variant).join(INSTALLED))?;
    }
    fs::create_dir_all(out.join("elf"))?;
    for ta in tas {
        match ta {
            Ta::Whoami => kit.both(out, "whoami", "whoami")?,
            Ta::Vault => kit.both(out, "vault", "vault")?,
            Ta::Relay => kit.both(out, "relay", "relay")?,
            Ta::Signer => kit.both(out, "signer", "signer")?,
            Ta::Bench => {
                kit.both(out, "bench", "bench")?;
                for large in &bench::LARGE {
                    kit.both(out, "bench", large.name)?;
                }
            }
            Ta::Probe => {
                for flavour in FLAVOURS.iter().chain([&DECLARED, &LARGE]) {
                    kit.probe(out, flavour)?;
                }
            }
            Ta::VaultC => kit.in_c(out, "vault-c", clients)?,
        }
    }
    Ok(())
}

/// The TA dev kit and cargo's folder.
struct Kit {
    arch: Arch,
    kit: PathBuf,
    target: PathBuf,
}

impl Kit {
    fn from_environment(arch: Arch) -> Result<Self> {
        let folder = |name| {
            let folder = env::var_os(name).with_context(|| format!("{name} is not set"));
            Ok::<_, anyhow::Error>(PathBuf::from(folder?))
        };
        Ok(Self {
            arch,
            kit: folder("TA_DEV_KIT_DIR")?,
            target: folder("CARGO_TARGET_DIR")?,
        })
    }

    fn rust_target(&self) -> &'static str {
        match self.arch {
            Arch::Arm64 => "aarch64-unknown-linux-gnu",
            Arch::Arm => "armv7-unknown-linux-gnueabihf",
        }
    }

    fn made(&self) -> PathBuf {
        self.target.join(self.rust_target())
    }

    /// The crate that links the kit's libraries does not notice new ones.
    fn notice(&self) -> Result<()> {
        let known = self.made().join(".ta-dev-kit");
        let time = |path: &Path| fs::metadata(path).and_then(|file| file.modified());
        let mut newest = SystemTime::UNIX_EPOCH;
        for library in fs::read_dir(self.kit.join("lib")).context("the TA dev kit")? {
            newest = newest.max(time(&library?.path())?);
        }
        if time(&known).is_ok_and(|known| known > newest) {
            return Ok(());
        }
        run(self.cargo("clean").args(["-p", "optee-utee-sys"]))?;
        fs::create_dir_all(self.made())?;
        Ok(fs::write(known, "")?)
    }

    fn cargo(&self, command: &str) -> Command {
        let mut cargo = Command::new("cargo");
        cargo
            .args([command, "--locked", "--release"])
            .args(["--target", self.rust_target()])
            .current_dir(top());
        cargo
    }

    /// A TA of that name, or one build of it.
    fn both(&self, out: &Path, ta: &str, name: &str) -> Result<()> {
        let uuid = uuid(name)?;
        for variant in ["bound", "stock"] {
            let elf = self.compile(out, ta, variant, name)?;
            self.sign(&elf, uuid, &out.join(variant))?;
        }
        Ok(())
    }

    /// One that does not ask to be bound is the same everywhere.
    fn probe(&self, out: &Path, flavour: &Flavour) -> Result<()> {
        if flavour.bound {
            return self.both(out, "probe", flavour.name);
        }
        let elf = self.compile(out, "probe", "bound", flavour.name)?;
        self.sign(&elf, flavour.uuid, &out.join("bound"))?;
        self.sign(&elf, flavour.uuid, &out.join("stock"))
    }

    /// The ELF file, as the compiler made it.
    fn compile(&self, out: &Path, ta: &str, variant: &str, name: &str) -> Result<PathBuf> {
        let mut cargo = self.cargo("build");
        // The root has a compiled `core` of one architecture alone.
        if self.arch == Arch::Arm {
            cargo
                .args(["-Z", "build-std=core,alloc,panic_abort"])
                .env("RUSTC_BOOTSTRAP", "1");
        }
        cargo
            .arg(format!("--package=client-binding-ta-{ta}"))
            .env("TA_BUILD", name)
            .env("TA_UNBOUND", unbound(variant));
        run(&mut cargo)?;
        let elf = out.join("elf").join(format!("{name}-{variant}"));
        let made = self.made().join("release");
        fs::copy(made.join(format!("{ta}-ta")), &elf)?;
        Ok(elf)
    }

    fn sign(&self, elf: &Path, uuid: TaUuid, root: &Path) -> Result<()> {
        let stripped = tempfile::NamedTempFile::new()?;
        let mut objcopy = Command::new(format!("{}objcopy", self.arch.cross()));
        run(objcopy.arg("--strip-unneeded").args([elf, stripped.path()]))?;
        let ta = root.join(INSTALLED).join(format!("{}.ta", uuid.text));
        let mut sign = Command::new(self.kit.join("scripts/sign_encrypt.py"));
        sign.args(["sign-enc", "--uuid", uuid.text, "--in"])
            .arg(stripped.path())
            .arg("--out")
            .arg(ta)
            .arg("--key")
            .arg(self.kit.join("keys/default_ta.pem"));
        run(&mut sign)
    }

    /// The dev kit's makefiles do all of it.
    fn in_c(&self, out: &Path, name: &str, clients: Option<&Path>) -> Result<()> {
        for variant in ["bound", "stock"] {
            let made = out.join(format!("{name}-{variant}"));
            let mut make = Command::new("make");
            make.arg("-C")
                .arg(top().join("ta").join(name))
                .arg(format!("CROSS_COMPILE={}", self.arch.cross()))
                .arg(format!("O={}", made.display()))
                .arg(format!("TA_UNBOUND={}", unbound(variant)));
            if let Some(clients) = clients {
                make.arg(format!("CLIENTS={}", clients.display()));
            }
            run(&mut make)?;
            for file in fs::read_dir(made)? {
                let file = file?;
                if Path::new(&file.file_name()).extension() == Some("ta".as_ref()) {
                    let to = out.join(variant).join(INSTALLED).join(file.file_name());
                    fs::copy(file.path(), to)?;
                }
            }
        }
        Ok(())
    }
}

/// What build scripts and makefiles are told.
fn unbound(variant: &str) -> &'static str {
    if variant == "stock" { "1" } else { "" }
}
