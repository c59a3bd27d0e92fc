// SPDX-License-Identifier: BSD-2-Clause
//! `signer`: signs a document after its client has confirmed that, and hands out what verifies and cannot sign.
//!
//! The key is the session's own, and symmetric: whoever could use it to verify could sign. What is handed out is one
//! command instead, which the TEE keeps apart.

#![no_std]
#![no_main]
#![expect(missing_docs, reason = "what the attributes make is public and bare")]
#![expect(unsafe_code, reason = "the entry points are C's, and so is the header")]

extern crate alloc;

use client_binding_clients::{Offer, call, delegable, invoker, revoke};
use client_binding_proto::signer::{
    CONFIRM, Command, DOCUMENT_MAX, SIGNATURE_SIZE, TIME_TO_CONFIRM,
};
use client_binding_ta_kit as kit;
use optee_utee::{AlgorithmId, Mac, TransientObject, TransientObjectType};
use optee_utee::{ErrorKind, ParametersAny, Result};
use optee_utee::{ta_close_session, ta_create, ta_destroy, ta_invoke_command, ta_open_session};

const KEY_BITS: usize = 256;

/// A session.
#[derive(Default)]
pub struct Signer {
    key: Option<TransientObject>,
}

#[ta_create]
fn create() -> Result<()> {
    Ok(())
}

#[ta_open_session]
fn open(_params: &mut ParametersAny, signer: &mut Signer) -> Result<()> {
    delegable(&[Command::Verify.number()])?;
    let key = TransientObject::allocate(TransientObjectType::HmacSha256, KEY_BITS)?;
    key.generate_key(KEY_BITS, &[])?;
    signer.key = Some(key);
    Ok(())
}

#[ta_close_session]
fn close(_signer: &mut Signer) {}

#[ta_destroy]
fn destroy() {}

#[ta_invoke_command]
fn invoke(signer: &mut Signer, number: u32, params: &mut ParametersAny) -> Result<()> {
    let command = Command::try_from(number).map_err(|_| ErrorKind::NotSupported)?;
    kit::check(params, command.shape())?;
    match command {
        Command::Sign => signer.sign(params),
        Command::Verify => signer.verify(params),
    }
}

impl Signer {
    fn sign(&self, params: &mut ParametersAny) -> Result<()> {
        let mut document = [0; DOCUMENT_MAX];
        let mut signature = [0; SIGNATURE_SIZE];
        // Signed is what was asked about, whatever the client's memory says by then.
        let document = kit::read(&params.1, &mut document)?.ok_or(ErrorKind::ExcessData)?;
        // That there is no room for the answer is said before somebody is asked.
        kit::answer_octets(&mut params.2, &signature)?;
        // And that there is nothing to hand out.
        let handle = Offer::new(invoker()?.client, &[Command::Verify.number()])?;
        let number = handle.until_closed().mint()?;
        let signed = self.sign_if_confirmed(document, &mut signature);
        if let Err(error) = signed {
            revoke(number)?;
            return Err(error);
        }
        kit::answer_octets(&mut params.2, &signature)?;
        kit::answer_value(&mut params.3, number as u32, (number >> 32) as u32)
    }

    fn sign_if_confirmed(
        &self,
        document: &[u8],
        signature: &mut [u8; SIGNATURE_SIZE],
    ) -> Result<()> {
        let answer = call(0, CONFIRM, document, &mut [], TIME_TO_CONFIRM)?;
        if answer.result != 0 {
            return Err(ErrorKind::Cancel.into());
        }
        self.mac()?.compute_final(document, signature).map(drop)
    }

    fn verify(&self, params: &ParametersAny) -> Result<()> {
        let mut document = [0; DOCUMENT_MAX];
        let mut signature = [0; SIGNATURE_SIZE];
        let document = kit::read(&params.0, &mut document)?.ok_or(ErrorKind::ExcessData)?;
        let signature = kit::read(&params.1, &mut signature)?.ok_or(ErrorKind::MacInvalid)?;
        self.mac()?.compare_final(document, signature)
    }

    fn mac(&self) -> Result<Mac> {
        let key = self.key.as_ref().ok_or(ErrorKind::BadState)?;
        let mac = Mac::allocate(AlgorithmId::HmacSha256, KEY_BITS)?;
        mac.set_key(key)?;
        mac.init(&[]);
        Ok(mac)
    }
}

client_binding_ta_kit::header!();
