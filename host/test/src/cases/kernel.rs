// SPDX-License-Identifier: BSD-2-Clause
//! B8: clients inside of the kernel, by way of host/test/kernel.

use super::Case;
use crate::bench::{Seat, flavour, visit};
use crate::world::{OWNER, ROOT, STRANGER, let_person};
use anyhow::{Context, Result, ensure};
use client_binding_proto::probe::{DECLARED, Flavour, Kind};
use client_binding_raw::pta::PTA;
use client_binding_raw::{Answer, Login};
use std::fs;
use std::path::Path;
use std::process::Command;

const DEVICE: &str = "/dev/kernel-client";
const ACCESS_DENIED: u32 = 0xffff_0001;
const PUBLIC: u32 = 0;
const REE_KERNEL: u32 = 0x8000_0000;

pub(super) const CASES: &[Case] = &[
    Case::service(
        8023,
        "The kernel's session works in any task and worker",
        &[8],
        |_| {
            with_module(|| {
                for login in [REE_KERNEL, PUBLIC] {
                    let session = opened(open("", flavour(Kind::Private, false), login)?)?;
                    for (person, way) in [(ROOT, ""), (OWNER, ""), (STRANGER, "@")] {
                        let (answer, seen) =
                            let_person(person, || tell(way, &format!("ask {session}")))?;
                        ensure!(
                            answer.is_success() && seen == login,
                            "{answer}, login {seen:#x}"
                        );
                    }
                    let (closed, _) =
                        let_person(STRANGER, || tell("@", &format!("close {session}")))?;
                    ensure!(closed.is_success(), "{closed}");
                }
                Ok("REE_KERNEL and PUBLIC, three tasks".into())
            })
        },
    ),
    Case::refusal(
        8024,
        "A client in Linux opens what the kernel owns",
        &[3, 8],
        |b| {
            with_module(|| {
                let ta = flavour(Kind::Shared, true);
                let session = opened(open("@", ta, REE_KERNEL)?)?;
                let mut seen = String::new();
                for login in [Login::User, Login::Public] {
                    let answer = visit(ROOT, ta, login)?;
                    b.attacked(answer)?;
                    seen = answer.to_string();
                }
                // Another session of the owner, opened by whatever task.
                let second = let_person(STRANGER, || open("", ta, REE_KERNEL))?;
                tell("", &format!("close {}", opened(second)?))?;
                tell("", &format!("close {session}"))?;
                let next = visit(STRANGER, ta, Login::User)?;
                ensure!(next.is_success(), "the next owner: {next}");
                Ok(seen)
            })
        },
    )
    .bound(),
    Case::service(8026, "The kernel owns a TA that names it", &[6, 8], |b| {
        with_module(|| {
            let session = opened(open("@", &DECLARED, REE_KERNEL)?)?;
            b.attacked(visit(OWNER, &DECLARED, Login::User)?)?;
            tell("", &format!("close {session}"))?;
            let next = visit(OWNER, &DECLARED, Login::User)?;
            ensure!(next.is_success(), "the next owner: {next}");
            Ok(format!("verified: {}", b.verifies()))
        })
    })
    .bound(),
    Case::refusal(8025, "The kernel opens what a user owns", &[3, 7, 8], |b| {
        with_module(|| {
            let seat = Seat::owned(flavour(Kind::Shared, true), Login::User)?;
            for login in [REE_KERNEL, PUBLIC] {
                // Even in the owner's task.
                let (answer, session) = open("", seat.flavour, login)?;
                b.attacked(answer)?;
                if answer.is_success() {
                    tell("", &format!("close {session}"))?;
                }
            }
            seat.works()?;
            Ok(format!("verified: {}", b.verifies()))
        })
    })
    .bound(),
    Case::service(
        10005,
        "The PTA answers to the kernel, if it logs in as such",
        &[8, 16],
        |b| {
            if !b.stack.has_bound_core() {
                return Ok(None);
            }
            with_module(|| {
                // In anybody's task.
                let ask = |login| {
                    let_person(STRANGER, || {
                        tell("", &format!("open {} {login:x}", PTA.text))
                    })
                };
                let session = opened(ask(REE_KERNEL)?)?;
                tell("", &format!("close {session}"))?;
                let (answer, _) = ask(PUBLIC)?;
                ensure!(answer.code() == Some(ACCESS_DENIED), "PUBLIC: {answer}");
                Ok("REE_KERNEL alone".into())
            })
        },
    ),
];

/// Says a line to the module: the answer and its value.
fn tell(way: &str, line: &str) -> Result<(Answer, u32)> {
    fs::write(DEVICE, format!("{way}{line}\n"))?;
    let said = fs::read_to_string(DEVICE)?;
    let numbers: Vec<i64> = said
        .split_whitespace()
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    let [error, ret, origin, value] = numbers[..] else {
        anyhow::bail!("the module said {said:?}");
    };
    let answer = if error == 0 {
        Answer::Tee {
            ret: ret.try_into()?,
            origin: origin.try_into()?,
            values: [(0, 0); 4],
        }
    } else {
        Answer::Kernel(i32::try_from(-error)?)
    };
    Ok((answer, value.try_into()?))
}

fn open(way: &str, ta: &Flavour, login: u32) -> Result<(Answer, u32)> {
    tell(way, &format!("open {} {login:x}", ta.uuid.text))
}

fn opened((answer, session): (Answer, u32)) -> Result<u32> {
    ensure!(answer.is_success(), "the kernel does not get in: {answer}");
    Ok(session)
}

/// The module keeps a connection open: it goes before anybody unloads the driver.
struct Module;

impl Drop for Module {
    fn drop(&mut self) {
        let _ = ROOT.act();
        let _ = Command::new("rmmod").arg("kernel_client").status();
    }
}

fn with_module(play: impl Fn() -> Result<String>) -> Result<Option<String>> {
    // Made for Debian's kernels, each its own.
    let release = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let module = format!("/lib/modules/{}/kernel_client.ko", release.trim());
    if !Path::new(&module).exists() {
        return Ok(None);
    }
    let output = Command::new("insmod").arg(module).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "insmod: {said}");
    let _module = Module;
    fs::metadata(DEVICE).context("the module's device")?;
    play().map(Some)
}
