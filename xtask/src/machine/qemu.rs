// SPDX-License-Identifier: BSD-2-Clause
//! QEMU: what it boots, and how it is told so.

use super::Boot;
use crate::arch::Arch;
use anyhow::{Context, Result, bail, ensure};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use std::env;
use std::fs::{self, File};
use std::io::{self, PipeReader, pipe};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// What is not the same for both architectures.
struct Kind {
    program: &'static str,
    machine: &'static str,
    processor: &'static str,
    /// Where TF-A expects Linux, as it is built (mk/tfa.mk).
    kernel: u64,
    initrd: u64,
}

impl Kind {
    fn of(arch: Arch) -> &'static Self {
        match arch {
            Arch::Arm64 => &Self {
                program: "qemu-system-aarch64",
                machine: "virt,secure=on,gic-version=3,acpi=off,mte=off",
                processor: "max,sve=off,pauth-impdef=on",
                kernel: 0x6000_0000,
                initrd: 0x7000_0000,
            },
            // A kernel without LPAE reaches 4 GiB, and of the memory 768 MiB without further ado.
            Arch::Arm => &Self {
                program: "qemu-system-arm",
                machine: "virt,secure=on,highmem=off,acpi=off",
                processor: "cortex-a15",
                kernel: 0x4200_0000,
                initrd: 0x5000_0000,
            },
        }
    }
}

/// Ready to start.
pub(super) struct Qemu<'a> {
    options: &'a Boot,
    run: &'a Path,
    command: Command,
}

/// Started.
pub(super) struct Running {
    pub(super) child: Child,
    /// The job's standard output and error; a console has none.
    pub(super) pipes: Option<(PipeReader, PipeReader)>,
}

impl<'a> Qemu<'a> {
    /// Lays out what the machine boots from.
    pub(super) fn prepare(options: &'a Boot, run: &'a Path) -> Result<Self> {
        // The tree's own base goes without its name.
        let kernel = match options.kernel.as_str() {
            "debian" => String::new(),
            other => format!("-{other}"),
        };
        let kind = Kind::of(options.processor.arch);
        let boot = options.processor.arch.build().join("boot");
        let user = options.processor.user().build().join("boot");
        let initrd = run.join("initrd.cpio");
        concatenate(&parts(options, run, [&boot, &user], &kernel)?, &initrd)?;

        let (mut command, line) = hardware(options);
        let tree = run.join("virt.dtb");
        let length = fs::metadata(&initrd)?.len();
        device_tree(options, run, &tree, &line, length)?;
        command.arg("-dtb").arg(&tree);
        let (boot, run_file) = (
            |name: &str| boot.join(name).display().to_string(),
            |name: &str| run.join(name).display().to_string(),
        );
        let flash = boot(&format!("flash-{}.bin", options.core));
        let image = boot(&format!("Image{kernel}"));
        let disk = user.join("clients.img").display().to_string();
        let initrd = initrd.display();
        for (option, value) in [
            (
                "-drive",
                format!("if=pflash,unit=0,readonly=on,file={flash},format=raw"),
            ),
            (
                "-device",
                format!("loader,file={image},addr={:#x},force-raw=on", kind.kernel),
            ),
            (
                "-device",
                format!("loader,file={initrd},addr={:#x},force-raw=on", kind.initrd),
            ),
            ("-serial", format!("file:{}", run_file("normal-world.log"))),
            ("-serial", format!("file:{}", run_file("secure-world.log"))),
            (
                "-drive",
                format!("if=none,id=disk,file={disk},format=raw,snapshot=on"),
            ),
            ("-device", "virtio-blk-pci,drive=disk".into()),
            ("-device", "virtio-serial-pci".into()),
            (
                "-chardev",
                format!("file,id=status,path={}", run_file("status")),
            ),
            (
                "-device",
                "virtserialport,chardev=status,name=status".into(),
            ),
        ] {
            command.args([option, &value]);
        }
        if let Some(plugin) = &options.plugin {
            command.args(["-plugin", plugin]);
        }
        if options.reset_at.is_some() {
            command.args([
                "-qmp",
                &format!("unix:{},server=on,wait=off", run_file("control")),
            ]);
        }
        Ok(Self {
            options,
            run,
            command,
        })
    }

    pub(super) fn start(mut self) -> Result<Running> {
        self.command.stderr(
            File::options()
                .append(true)
                .open(self.run.join("qemu.log"))?,
        );
        if self.options.shell {
            self.command
                .args(["-chardev", "stdio,id=console,signal=off"]);
            self.command
                .args(["-device", "virtconsole,chardev=console"]);
            let child = self
                .command
                .spawn()
                .context(Kind::of(self.options.processor.arch).program)?;
            return Ok(Running { child, pipes: None });
        }
        self.command.stdin(Stdio::null()).stdout(Stdio::null());
        let (output, output_in) = pipe()?;
        let (errors, errors_in) = pipe()?;
        for (set, (name, end)) in [("stdout", &output_in), ("stderr", &errors_in)]
            .iter()
            .enumerate()
        {
            fcntl(end, FcntlArg::F_SETFD(FdFlag::empty()))?;
            let (fd, set) = (end.as_raw_fd(), set + 1);
            for (option, value) in [
                ("-add-fd", format!("fd={fd},set={set}")),
                (
                    "-chardev",
                    format!("file,id={name},path=/dev/fdset/{set},append=on"),
                ),
                (
                    "-device",
                    format!("virtserialport,chardev={name},name={name}"),
                ),
            ] {
                self.command.arg(option).arg(value);
            }
        }
        let child = self
            .command
            .spawn()
            .context(Kind::of(self.options.processor.arch).program)?;
        // Only QEMU still holds the other ends, which close with it.
        Ok(Running {
            child,
            pipes: Some((output, errors)),
        })
    }

    pub(super) fn for_debuggers(&self) -> String {
        let Boot {
            processor,
            core,
            driver,
            kernel,
            ..
        } = self.options;
        let build = if processor.arch == Arch::Arm {
            "build/arm"
        } else {
            "build"
        };
        // Where mk/linux.mk and mk/kernel.mk have them.
        let modules = match kernel.strip_prefix("debian") {
            Some(version) => format!("linux{version}/{driver}"),
            None => format!("linux/{kernel}-{driver}"),
        };
        let top = env::var("CB_TOP").unwrap_or_else(|_| ".".into());
        let log = self
            .run
            .strip_prefix("/")
            .unwrap_or(self.run)
            .join("normal-world.log");
        format!(
            "QEMU waits for a debugger on port 1234. In gdb-multiarch, started in {top}, with addresses not randomised:\n    \
                target remote :1234\n    \
                set substitute-path /build {top}/build\n    \
                add-symbol-file {build}/optee/{core}/core/tee.elf           secure world\n    \
                add-symbol-file {build}/{modules}/tee.ko ADDRESS          normal world; each ADDRESS is in\n    \
                add-symbol-file {build}/{modules}/optee.ko ADDRESS        {}\n",
            log.display()
        )
    }
}

/// The machine, and the command line of its kernel.
fn hardware(options: &Boot) -> (Command, String) {
    let kind = Kind::of(options.processor.arch);
    let mut machine = kind.machine.to_owned();
    let mut line = "console=ttyAMA0 panic=-1 rdinit=/init".to_owned();
    let mut smp = options.smp;
    let mut command = Command::new(kind.program);
    // The machine's seeds randomise both worlds' addresses, which neither counting nor a debugger wants.
    if options.icount || options.gdb {
        machine += ",dtb-randomness=off";
        line += " nokaslr";
    }
    if options.icount {
        // The height of a stack decides how many instructions it takes to clear a part of it.
        line += " randomize_kstack_offset=off";
        smp = 1;
        command.args(["-icount", "shift=0,sleep=off"]);
    }
    if options.gdb {
        command.args(["-S", "-gdb", "tcp::1234"]);
    }
    command.args([
        "-nodefaults",
        "-name",
        "debug-threads=on",
        "-display",
        "none",
        "-no-reboot",
        "-m",
        "1057",
    ]);
    command.args(["-machine", &machine, "-cpu", kind.processor]);
    command.args(["-smp", &smp.to_string()]);
    (command, line)
}

/// A stock core refuses a TA that carries the flag, so it gets the same TAs built without.
pub(crate) fn tas_for(core: &str) -> &'static str {
    if core == "stock" { "stock" } else { "bound" }
}

/// The parts of the initramfs, in the order in which they cover one another.
fn parts(
    options: &Boot,
    run: &Path,
    [boot, user]: [&Path; 2],
    kernel: &str,
) -> Result<Vec<PathBuf>> {
    let ta = options.ta.as_deref().unwrap_or(if options.core == "stock" {
        "stock"
    } else {
        "bound"
    });
    let mut parts = Vec::new();
    if options.kernel.starts_with("debian") {
        parts.push(boot.join(format!("modules{kernel}.cpio")));
    }
    parts.push(user.join("base.cpio"));
    let libteec = options.libteec.iter();
    parts.extend(libteec.map(|version| user.join(format!("libteec-{version}.cpio"))));
    parts.push(boot.join(format!("driver{kernel}-{}.cpio", options.driver)));
    parts.push(user.join(format!("ta-{ta}.cpio")));
    if let Some(overlay) = &options.overlay {
        let packed = run.join("overlay.cpio");
        pack(overlay, &packed)?;
        parts.push(packed);
    }
    let packed = run.join("job.cpio");
    pack(&job(options, run)?, &packed)?;
    parts.push(packed);
    Ok(parts)
}

/// What the guest's init finds to do: see guest/init.
fn job(options: &Boot, run: &Path) -> Result<PathBuf> {
    let root = run.join("job");
    let job = root.join("job");
    fs::create_dir_all(&job)?;
    if !options.shell {
        let words = options.job.iter().map(String::as_str);
        fs::write(job.join("run"), shlex::try_join(words)? + "\n")?;
        return Ok(root);
    }
    fs::write(
        job.join("shell"),
        env::var("TERM").unwrap_or_else(|_| "linux".into()),
    )?;
    let size = Command::new("stty")
        .args(["-F", "/dev/tty", "size"])
        .output()?;
    if let Some((rows, columns)) = String::from_utf8_lossy(&size.stdout).trim().split_once(' ') {
        fs::write(job.join("size"), format!("rows {rows} cols {columns}\n"))?;
    }
    Ok(root)
}

fn pack(folder: &Path, to: &Path) -> Result<()> {
    let mut shell = Command::new("sh");
    shell.args([
        "-c",
        "cd \"$1\" && find . -mindepth 1 | cpio --quiet -R 0:0 -H newc -o",
        "sh",
    ]);
    let status = shell.arg(folder).stdout(File::create(to)?).status()?;
    ensure!(status.success(), "cannot pack {}", folder.display());
    Ok(())
}

fn concatenate(parts: &[PathBuf], to: &Path) -> Result<()> {
    let mut whole = File::create(to)?;
    for part in parts {
        let mut file = File::open(part).with_context(|| part.display().to_string())?;
        io::copy(&mut file, &mut whole)?;
    }
    Ok(())
}

/// Without a boot loader: TF-A enters Linux directly, with the machine's own device tree and what belongs in /chosen.
fn device_tree(
    options: &Boot,
    run: &Path,
    tree: &Path,
    command_line: &str,
    length: u64,
) -> Result<()> {
    let (mut qemu, initrd) = (hardware(options).0, Kind::of(options.processor.arch).initrd);
    let log = run.join("qemu.log");
    let said = File::create(&log)?;
    qemu.arg("-machine")
        .arg(format!("dumpdtb={}", tree.display()));
    qemu.stdin(Stdio::null())
        .stdout(said.try_clone()?)
        .stderr(said);
    if !qemu.status().context("QEMU")?.success() {
        bail!("{}", fs::read_to_string(log)?.trim_end());
    }
    for (kind, name, value) in [
        ("s", "bootargs", command_line.to_owned()),
        ("x", "linux,initrd-start", format!("{initrd:x}")),
        ("x", "linux,initrd-end", format!("{:x}", initrd + length)),
    ] {
        let mut put = Command::new("fdtput");
        put.args(["-t", kind])
            .arg(tree)
            .args(["/chosen", name, &value]);
        ensure!(
            put.status().context("fdtput")?.success(),
            "fdtput cannot set {name}"
        );
    }
    Ok(())
}
