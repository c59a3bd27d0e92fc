// SPDX-License-Identifier: BSD-2-Clause
//! What is lent, through the C face: each answer is compared with what the rules say of the whole history, of which nothing is ever
//! forgotten here.

use crate::glue::grants::{
    client_binding_allow, client_binding_end_grants, client_binding_grant_badge,
    client_binding_grant_closed, client_binding_grant_left, client_binding_grant_target,
    client_binding_lend, client_binding_lend_check, client_binding_put_grant,
    client_binding_requested, client_binding_revoke, client_binding_use_grant, Lent, Table, Use,
    CLIENT_BINDING_CHECK, CLIENT_BINDING_LET_IN, CLIENT_BINDING_NO_CLOCK, CLIENT_BINDING_TAKE_UP,
};
use crate::glue::pta::Records;
use crate::glue::{client_binding_result, Event, TeeUuid, CLIENT_BINDING_GO};
use arbitrary::{Result, Unstructured};
use client_binding_policy::abi::delegation::{Listed, Request, FOREVER, MAX_DEPTH, UNLIMITED};
use client_binding_policy::abi::{Claim, ClientUuid, Identity, Login, TeeResult};
use client_binding_policy::{may_ask, Grant, Lending, Session};
use std::iter::successors;

const TA: Identity = Identity::new(Login::TRUSTED_APP, ClientUuid([4, 4]));
/// The first two have a session each; the last one may ask for everything.
const PEOPLE: [Identity; 5] = [
    Identity::new(Login::USER, ClientUuid([1, 1])),
    Identity::new(Login::USER, ClientUuid([2, 2])),
    Identity::new(Login::GROUP, ClientUuid([3, 3])),
    TA,
    Identity::new(Login::REE_KERNEL, ClientUuid::NIL),
];
/// As many grants as there may be, of a client, and of that to one grantee.
const LIMITS: [u32; 3] = [6, 5, 4];
const FIRST_ID: u32 = 40;

/// A session that may be lent.
struct Owned {
    record: Session,
    lending: Lending,
    allowed: Vec<u32>,
    /// Closed, and a command of it has not come back.
    closing: bool,
}

/// A grant that was made.
struct Made {
    number: u64,
    session: usize,
    parent: Option<usize>,
    grantee: Identity,
    commands: Vec<u32>,
    uses: u32,
    used: u32,
    until: u64,
    depth: u32,
    badge: u64,
    until_closed: bool,
    /// Taken back, or its session closed, or one that was for it, or that of its parents.
    over: bool,
    running: bool,
}

struct World {
    slots: [Grant; LIMITS[0] as usize],
    numbers: u64,
    now: Option<u64>,
    sessions: [Owned; 2],
    history: Vec<Made>,
}

/// Any octets and numbers for `client_binding.lend`, and uses between them.
pub fn lend(octets: &[u8]) {
    play(octets, |world, u| match u.int_in_range(0..=10)? {
        0 => check(u),
        1 => world.allow(u),
        2..=4 => {
            let request = world.nearly_a_request(u)?;
            world.lend(u, request)
        }
        5 => world.revoke(u),
        6 => world.list(u),
        7 => world.use_once(u),
        8 => world.left(u),
        9 => world.closed(u),
        _ => world.later(u),
    });
}

/// Uses, of grants that are made as they should be.
pub fn grant(octets: &[u8]) {
    play(octets, |world, u| match u.int_in_range(0..=10)? {
        0..=1 => {
            let request = world.request(u)?.to_octets();
            world.lend(u, request)
        }
        2..=5 => world.use_once(u),
        6..=7 => world.left(u),
        8 => world.revoke(u),
        9 => world.closed(u),
        _ => world.later(u),
    });
}

fn play(octets: &[u8], step: impl Fn(&mut World, &mut Unstructured<'_>) -> Result<()>) {
    let u = &mut Unstructured::new(octets);
    let Ok(mut world) = World::new(u) else {
        return;
    };
    while !u.is_empty() && step(&mut world, u).is_ok() {}
}

/// What each command takes, and whether a TA and a client may give it: by the table of docs/delegation.md.
const COMMANDS: [(u32, bool, bool); 8] = [
    (0x25, true, true),
    (0x31, true, true),
    (0x06, false, true),
    (0x02, true, true),
    (0x05, true, false),
    (0x00, true, false),
    (0x22, true, true),
    (0x125, true, true),
];

fn check(u: &mut Unstructured<'_>) -> Result<()> {
    let command = u.int_in_range(0..=COMMANDS.len() as u32 + 1)?;
    let known = COMMANDS.get(command as usize);
    let types = match known {
        Some((types, ..)) if u.arbitrary()? => *types,
        _ => u.arbitrary()?,
    };
    let by_ta = u.arbitrary()?;
    let objects = u.arbitrary::<u16>()?;
    let expected = match known {
        None => TeeResult::NOT_SUPPORTED,
        Some((right, ..)) if *right != types => TeeResult::BAD_PARAMETERS,
        Some((_, false, _)) if by_ta => TeeResult::ACCESS_DENIED,
        Some((.., false)) if !by_ta => TeeResult::ACCESS_DENIED,
        Some(_) if command == 7 && objects >> 8 & 0xf != 1 => TeeResult::ACCESS_DENIED,
        Some(_) => TeeResult::SUCCESS,
    };
    let told = client_binding_lend_check(command, types, by_ta, objects);
    assert_eq!(told, expected.0, "command {command}, types {types:#x}");
    Ok(())
}

fn anybody(u: &mut Unstructured<'_>) -> Result<Session> {
    let client = *u.choose(&PEOPLE)?;
    let attested = client == TA || u.ratio(15, 16)?;
    Ok(Session::new(client, attested).unwrap())
}

fn is_ta(who: &Session) -> bool {
    who.client() == TA
}

impl World {
    fn new(u: &mut Unstructured<'_>) -> Result<Self> {
        let mut session = |nth: usize| -> Result<Owned> {
            let attested = u.ratio(15, 16)?;
            let mut owned = Owned {
                record: Session::new(PEOPLE[nth], attested).unwrap(),
                lending: Lending::default(),
                allowed: Vec::new(),
                closing: false,
            };
            owned.allow(&[0, 1, 2]);
            Ok(owned)
        };
        let sessions = [session(0)?, session(1)?];
        Ok(Self {
            slots: [Grant::FREE; LIMITS[0] as usize],
            numbers: 0,
            now: u.ratio(7, 8)?.then_some(1000),
            sessions,
            history: Vec::new(),
        })
    }

    /// As C keeps it.
    fn call<T>(&mut self, call: impl FnOnce(&mut Table) -> T) -> T {
        let [count, by_owner, to_grantee] = LIMITS;
        let mut table = Table {
            grants: self.slots.as_mut_ptr(),
            count: count as usize,
            made: self.numbers,
            by_owner,
            to_grantee,
        };
        let answer = call(&mut table);
        self.numbers = table.made;
        answer
    }

    fn clock(&self) -> u64 {
        self.now.unwrap_or(CLIENT_BINDING_NO_CLOCK)
    }

    /// A grant's, or nearly.
    fn any_number(&self, u: &mut Unstructured<'_>) -> Result<u64> {
        let nth = u.int_in_range(0..=self.history.len())?;
        Ok(match self.history.get(nth) {
            Some(made) => made.number,
            None => *u.choose(&[0, 1, 0x100, 0x1ff, 0x206, 1 << 40, u64::MAX])?,
        })
    }

    fn find(&self, number: u64) -> Option<usize> {
        let nth = self.history.iter().position(|made| made.number == number)?;
        self.is_kept(nth).then_some(nth)
    }

    /// It has a place in the table still: what has none is answered like a number that never was.
    fn is_kept(&self, nth: usize) -> bool {
        let number = self.history[nth].number;
        self.slots.iter().any(|slot| slot.number() == number)
    }

    fn chain(&self, nth: usize) -> impl Iterator<Item = usize> + '_ {
        successors(Some(nth), |nth| self.history[*nth].parent)
    }

    /// G4, G5, G8.
    fn lends(&self, nth: usize) -> bool {
        self.chain(nth).all(|nth| {
            let made = &self.history[nth];
            let in_time = made.until == FOREVER || self.now.is_some_and(|now| now < made.until);
            !made.over && in_time && made.left() > 0
        })
    }

    fn running(&self, session: usize) -> Option<usize> {
        let mut history = self.history.iter();
        history.position(|made| made.session == session && made.running)
    }

    /// Whether a command of it, or of what was passed on from it, is in the TA.
    fn is_in_use(&self, nth: usize) -> bool {
        let running = self.running(self.history[nth].session);
        running.is_some_and(|running| self.chain(running).any(|link| link == nth))
    }

    /// G1, G3, G4: whether somebody may use it, for that command or at all.
    fn may_use(&self, number: u64, who: &Session, command: Option<u32>) -> bool {
        self.find(number).is_some_and(|nth| {
            let made = &self.history[nth];
            let allowed = &self.sessions[made.session].allowed;
            who.vouched_for() == Some(made.grantee)
                && self.lends(nth)
                && command.is_none_or(|c| made.commands.contains(&c) && allowed.contains(&c))
        })
    }

    /// G8: whether somebody may take it back, and see it.
    fn may_revoke(&self, nth: usize, who: &Session, serving: u64) -> bool {
        let made = &self.history[nth];
        let maker = made.parent.filter(|parent| self.is_kept(*parent));
        let maker = maker.map(|parent| self.history[parent].grantee);
        let client = who.vouched_for();
        serving == token(made.session)
            || client == Some(PEOPLE[made.session])
            || client.is_some() && client == maker
            || may_ask(who.client())
    }

    /// G1 to G5: what is to be made, if it may be.
    fn may_lend(&self, session: Option<usize>, who: &Session, request: &Request) -> Option<Made> {
        let session = session?;
        let owned = &self.sessions[session];
        let client = who.vouched_for();
        let parent = if request.parent != 0 {
            let parent = self.find(request.parent)?;
            (client == Some(self.history[parent].grantee)).then_some(Some(parent))?
        } else if is_ta(who) {
            self.running(session)
        } else {
            (client == Some(owned.record.client())).then_some(None)?
        };
        let commands = request.commands.get(..request.count as usize)?;
        let grantee = Identity::new(Login(request.login), request.grantee);
        let until = match request.lifetime {
            FOREVER => FOREVER,
            lifetime => self.now?.checked_add(lifetime)?,
        };
        let mut made = Made {
            number: 0,
            session,
            parent,
            grantee,
            commands: commands.into(),
            uses: request.uses,
            used: 0,
            until,
            depth: request.depth,
            badge: request.badge,
            until_closed: request.flags == Request::UNTIL_CLOSED,
            over: false,
            running: false,
        };
        let makes_sense = owned.record.is_attested()
            && request.flags <= Request::UNTIL_CLOSED
            && (request.parent == 0 || request.session == 0)
            && !commands.is_empty()
            && made.uses > 0
            && request.lifetime > 0
            && (until != FOREVER || request.lifetime == FOREVER)
            && made.depth <= MAX_DEPTH
            && grantee.login.is_known()
            && grantee.login.has_uuid()
            && grantee.uuid != ClientUuid::NIL
            && commands.iter().all(|c| owned.allowed.contains(c));
        let within = parent.is_none_or(|parent| {
            let badge_stays = request.parent != 0 || made.badge == self.history[parent].badge;
            self.lends(parent) && badge_stays && made.is_within(&self.history[parent])
        });
        if let Some(parent) = parent {
            made.badge = self.history[parent].badge;
        }
        (makes_sense && within).then_some(made)
    }

    /// G11: whether there is no room for it, though what is over and not in use takes none.
    fn is_full(&self, new: &Made) -> bool {
        let needed = |counts: &dyn Fn(&Made) -> bool| {
            let needed = |nth: &usize| {
                self.is_kept(*nth)
                    && counts(&self.history[*nth])
                    && (self.lends(*nth) || self.is_in_use(*nth))
            };
            (0..self.history.len()).filter(needed).count() as u32
        };
        let its = |made: &Made| made.session == new.session;
        let [all, by_owner, to_grantee] = LIMITS;
        needed(&|_| true) >= all
            || needed(&its) >= by_owner
            || needed(&|made| its(made) && made.grantee == new.grantee) >= to_grantee
    }

    fn allow(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let owned = &mut self.sessions[u.int_in_range(0..=1)?];
        if u.ratio(1, 2)? {
            let commands = [0, 1, 2, 3];
            let from = u.int_in_range(0..=3)?;
            let to = u.int_in_range(from..=4)?;
            owned.allow(&commands[from..to]);
            return Ok(());
        }
        let (octets, size): ([u8; 32], _) = (u.arbitrary()?, u.int_in_range(0..=33)?);
        let before = owned.lending;
        let told = client_binding_allow(&mut owned.lending, &octets, size);
        if size % 4 == 0 && size <= 32 {
            assert_eq!(told, 0);
            let numbers = octets[..size].as_chunks().0;
            owned.allowed = numbers.iter().map(|n| u32::from_le_bytes(*n)).collect();
            let mut known = owned.lending.commands.as_slice().iter();
            assert!(known.all(|command| owned.allowed.contains(command)));
        } else {
            assert_eq!(told, TeeResult::BAD_PARAMETERS.0);
            assert_eq!(owned.lending, before);
        }
        Ok(())
    }

    /// What somebody could ask for.
    fn request(&self, u: &mut Unstructured<'_>) -> Result<Request> {
        let passes_on = !self.history.is_empty() && u.arbitrary()?;
        let grantee = u.choose(&PEOPLE[..4])?;
        Ok(Request {
            parent: if passes_on { self.any_number(u)? } else { 0 },
            badge: u.int_in_range(0..=1)?,
            lifetime: *u.choose(&[FOREVER, FOREVER, 1, 2, 3])?,
            grantee: grantee.uuid,
            session: if passes_on {
                0
            } else {
                FIRST_ID + u.int_in_range(0..=1)?
            },
            login: grantee.login.0,
            uses: *u.choose(&[UNLIMITED, 1, 2, 3])?,
            depth: u.int_in_range(0..=MAX_DEPTH)?,
            count: u.int_in_range(1..=2)?,
            flags: u32::from(u.ratio(1, 4)?) * Request::UNTIL_CLOSED,
            commands: [u.int_in_range(0..=3)?, 1, 2, 3, 4, 5, 6, 7],
        })
    }

    /// That, or all but that, or anything.
    fn nearly_a_request(&self, u: &mut Unstructured<'_>) -> Result<[u8; Request::SIZE]> {
        if u.ratio(1, 8)? {
            return u.arbitrary();
        }
        let mut octets = self.request(u)?.to_octets();
        if u.ratio(1, 4)? {
            let at = u.int_in_range(0..=Request::SIZE - 1)?;
            octets[at] = u.arbitrary()?;
        }
        Ok(octets)
    }

    fn lend(&mut self, u: &mut Unstructured<'_>, octets: [u8; Request::SIZE]) -> Result<()> {
        let request = Request::from_octets(&octets);
        let mut parent = 0;
        let id = client_binding_requested(&octets, &mut parent);
        assert_eq!((id, parent), (request.session, request.parent));
        // As often as not by the one who may.
        let its = match self.find(parent) {
            Some(parent) => Some(self.history[parent].grantee),
            None => PEOPLE.get(id.wrapping_sub(FIRST_ID) as usize).copied(),
        };
        let who = match its {
            Some(its) if u.arbitrary()? => Session::new(its, true).unwrap(),
            _ => anybody(u)?,
        };
        // What C finds.
        let session = if parent != 0 {
            let target = self.call(|table| client_binding_grant_target(table, parent));
            session_of(target)
        } else if is_ta(&who) {
            Some(u.int_in_range(0..=1)?)
        } else {
            Some(id.wrapping_sub(FIRST_ID) as usize).filter(|nth| *nth < 2)
        };
        let session = session.filter(|nth| !self.sessions[*nth].closing);
        let expected = self.may_lend(session, &who, &request);
        let full = expected.as_ref().is_some_and(|made| self.is_full(made));
        let (record, lending) = session.map_or((who, Lending::default()), |nth| {
            (self.sessions[nth].record, self.sessions[nth].lending)
        });
        let lent = Lent {
            target: session.map_or(0, token),
            session: &record,
            lending: &lending,
            id: session.map_or(0, |nth| FIRST_ID + nth as u32),
        };
        let (mut number, now) = (u64::MAX, self.clock());
        let told =
            self.call(|table| client_binding_lend(table, &octets, &who, &lent, now, &mut number));
        assert_eq!(told == TeeResult::BUSY.0, full, "{request:?}");
        match expected.filter(|_| !full) {
            Some(made) => {
                assert_eq!(told, 0, "{request:?}");
                assert!(number != 0 && self.history.iter().all(|made| made.number != number));
                self.history.push(Made { number, ..made });
            }
            None => assert!(told != 0 && number == 0, "{request:?}"),
        }
        Ok(())
    }

    fn use_once(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let number = self.any_number(u)?;
        let who = match self.find(number) {
            Some(nth) if u.ratio(7, 8)? => Session::new(self.history[nth].grantee, true).unwrap(),
            _ => anybody(u)?,
        };
        let command = u.int_in_range(0..=3)?;
        let step = *u.choose(&[
            CLIENT_BINDING_LET_IN,
            CLIENT_BINDING_LET_IN,
            CLIENT_BINDING_CHECK,
            CLIENT_BINDING_TAKE_UP,
        ])?;
        let target = self.call(|table| client_binding_grant_target(table, number));
        let session = session_of(target);
        // C has the session's lock.
        if step == CLIENT_BINDING_LET_IN && session.is_some_and(|nth| self.running(nth).is_some()) {
            return Ok(());
        }
        let (record, lending) = session.map_or((who, Lending::default()), |nth| {
            (self.sessions[nth].record, self.sessions[nth].lending)
        });
        let asked = (step != CLIENT_BINDING_TAKE_UP).then_some(command);
        let expected = self.may_use(number, &who, asked);
        let used = Use {
            number,
            target,
            now: self.clock(),
            command,
            step,
        };
        let claim = Claim {
            uuid: who.client().uuid,
            login: who.client().login.0.into(),
        };
        let mut event = Event {
            claim,
            happened: 0,
            operation: 0,
            number: 0,
            verdict: u32::MAX,
            ta: TeeUuid([0; 4]),
        };
        let verdict = self.call(|table| {
            client_binding_use_grant(&mut event, table, &used, &who, &record, &lending)
        });
        assert_eq!(verdict, event.verdict);
        assert_eq!(
            verdict == CLIENT_BINDING_GO,
            expected,
            "grant {number:#x}, step {step}"
        );
        if !expected {
            // G10.
            let told = client_binding_result(verdict);
            assert_eq!(told, TeeResult::ACCESS_DENIED.0);
        } else if step == CLIENT_BINDING_LET_IN {
            self.enters(number);
        }
        Ok(())
    }

    fn enters(&mut self, number: u64) {
        let nth = self.find(number).unwrap();
        self.history[nth].running = true;
        for link in self.chain(nth).collect::<Vec<_>>() {
            self.history[link].used += 1;
        }
        let badge = self.history[nth].badge;
        let told = self.call(|table| client_binding_grant_badge(table, number));
        assert_eq!(told, badge);
    }

    fn left(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let session = u.int_in_range(0..=1)?;
        if let Some(nth) = self.running(session) {
            let number = self.history[nth].number;
            self.call(|table| client_binding_grant_left(table, number));
            self.history[nth].running = false;
            if self.sessions[session].closing {
                self.sessions[session].open_again();
            }
        }
        Ok(())
    }

    /// Somebody closes a session that was for a grant.
    fn closed(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let (number, who) = (self.any_number(u)?, anybody(u)?);
        self.call(|table| client_binding_grant_closed(table, number, &who));
        let nth = self.find(number);
        self.over(|n, made| {
            let its = who.vouched_for() == Some(made.grantee);
            Some(n) == nth && made.until_closed && its
        });
        Ok(())
    }

    fn over(&mut self, ends: impl Fn(usize, &Made) -> bool) {
        for nth in 0..self.history.len() {
            let parent = self.history[nth].parent;
            let orphan = parent.is_some_and(|parent| self.history[parent].over);
            self.history[nth].over |= orphan || ends(nth, &self.history[nth]);
        }
    }

    fn revoke(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let (number, who) = (self.any_number(u)?, anybody(u)?);
        let serving = match is_ta(&who) {
            true => token(u.int_in_range(0..=1)?),
            false => 0,
        };
        let nth = self.find(number);
        let nth = nth.filter(|nth| self.may_revoke(*nth, &who, serving));
        let expected = nth.is_some_and(|nth| self.is_in_use(nth));
        let mut running = true;
        let told =
            self.call(|table| client_binding_revoke(table, number, &who, serving, &mut running));
        assert_eq!(told == 0, nth.is_some(), "grant {number:#x}");
        assert_eq!(running, expected, "grant {number:#x}");
        if nth.is_some() {
            self.over(|n, _| Some(n) == nth);
        }
        Ok(())
    }

    /// A session is closed, or it gets later.
    fn later(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        if u.ratio(1, 2)? {
            self.now = self.now.map(|now| now + 1);
            return Ok(());
        }
        let session = u.int_in_range(0..=1)?;
        let running = self.running(session).is_some();
        let told = self.call(|table| client_binding_end_grants(table, token(session)));
        self.over(|_, made| made.session == session);
        assert_eq!(told, running);
        if running {
            self.sessions[session].closing = true;
        } else {
            self.sessions[session].open_again();
        }
        Ok(())
    }

    fn list(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let who = anybody(u)?;
        let mut expected: Vec<usize> = (0..self.history.len())
            .filter(|nth| self.is_kept(*nth) && self.may_revoke(*nth, &who, 0))
            .collect();
        expected.sort_by_key(|nth| self.history[*nth].number & 0xff);
        let room = u.int_in_range(0..=(LIMITS[0] as usize + 1) * Listed::SIZE)?;
        let mut octets = vec![0xa5; room + Listed::SIZE];
        let mut records = Records {
            buffer: octets.as_mut_ptr(),
            room,
            size: 0,
        };
        let now = self.clock();
        // One slot more than there are.
        for slot in 0..=LIMITS[0] as usize {
            self.call(|table| {
                client_binding_put_grant(&mut records, table, slot, &who, &TeeUuid([0; 4]), now);
            });
        }
        assert_eq!(records.size, expected.len() * Listed::SIZE);
        assert!(octets[room..].iter().all(|octet| *octet == 0xa5));
        let written = octets[..room].as_chunks().0.iter().map(Listed::from_octets);
        for (nth, listed) in expected.iter().zip(written) {
            let made = &self.history[*nth];
            let state = u32::from(made.running) * Listed::RUNNING
                + u32::from(!self.lends(*nth)) * Listed::OVER;
            let parent = made.parent.map_or(0, |parent| self.history[parent].number);
            assert_eq!(
                (listed.number, listed.parent, listed.badge),
                (made.number, parent, made.badge)
            );
            assert_eq!(
                (listed.used, listed.uses, listed.state),
                (made.used, made.left(), state)
            );
        }
        Ok(())
    }
}

impl Owned {
    fn allow(&mut self, commands: &[u32]) {
        let mut octets = [0; 32];
        for (octets, command) in octets.as_chunks_mut().0.iter_mut().zip(commands) {
            *octets = command.to_le_bytes();
        }
        let told = client_binding_allow(&mut self.lending, &octets, 4 * commands.len());
        assert_eq!(told, 0);
        self.allowed = commands.into();
    }

    /// By the same client, with the same token.
    fn open_again(&mut self) {
        self.closing = false;
        self.lending = Lending::default();
        self.allow(&[0, 1, 2]);
    }
}

impl Made {
    fn left(&self) -> u32 {
        match self.uses {
            UNLIMITED => UNLIMITED,
            uses => uses.checked_sub(self.used).expect("a use was spent twice"),
        }
    }

    /// G5.
    fn is_within(&self, parent: &Self) -> bool {
        self.commands.iter().all(|c| parent.commands.contains(c))
            && self.uses <= parent.left()
            && self.until <= parent.until
            && self.depth < parent.depth
    }
}

fn token(session: usize) -> u64 {
    session as u64 + 1
}

fn session_of(token: u64) -> Option<usize> {
    token.checked_sub(1).map(|nth| nth as usize)
}
