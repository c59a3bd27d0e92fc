// SPDX-License-Identifier: BSD-2-Clause

use crate::{Refusal, Session, may_ask};
use client_binding_abi::delegation::{
    FOREVER, Listed, MAX_COMMANDS, MAX_DEPTH, Request, UNLIMITED,
};
use client_binding_abi::{ClientUuid, Identity, Login, TeeResult};

/// A set of commands of a TA.
///
/// Zeroed memory is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct Commands {
    known: [u32; MAX_COMMANDS],
    count: u32,
}

impl Commands {
    /// These; `None` if there are too many.
    pub fn new(commands: &[u32]) -> Option<Self> {
        let mut set = Self::default();
        for command in commands {
            if !set.contains(*command) {
                *set.known.get_mut(set.count as usize)? = *command;
                set.count += 1;
            }
        }
        Some(set)
    }

    /// Each of them once.
    pub fn as_slice(&self) -> &[u32] {
        let count = self.count as usize;
        self.known.get(..count).unwrap_or(&self.known)
    }

    /// Whether the command is one of them.
    pub fn contains(&self, command: u32) -> bool {
        self.as_slice().contains(&command)
    }

    /// Whether each of them is one of those.
    pub fn is_within(&self, others: &Self) -> bool {
        self.as_slice()
            .iter()
            .all(|command| others.contains(*command))
    }
}

/// What the TA says of one of its sessions (G1): the commands that others may be lent.
///
/// Zeroed memory is a session that cannot be lent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct Lending {
    /// Those. The TA may say something else at any time; what it takes back nobody may use any more.
    pub commands: Commands,
}

/// The session whose commands are lent.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// No other's as long as it is there; 0 if there is no such session.
    pub token: u64,
    /// Its number.
    pub id: u32,
    /// Its record.
    pub session: &'a Session,
    /// What its TA said.
    pub lending: &'a Lending,
}

/// What is lent, as its maker asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Which commands: at least one.
    pub commands: Commands,
    /// How often: at least once, or [`UNLIMITED`].
    pub uses: u32,
    /// How long, in milliseconds: at least one, or [`FOREVER`].
    pub lifetime: u64,
    /// What the TA is told at each use.
    pub badge: u64,
    /// How often it may be passed on: up to [`MAX_DEPTH`].
    pub depth: u32,
    /// To whom.
    pub grantee: Identity,
    /// The grant that is passed on; 0 if it is the session that is lent.
    pub parent: u64,
    /// 0 or [`Request::UNTIL_CLOSED`].
    pub flags: u32,
}

impl Terms {
    /// What a request says.
    pub fn read(request: &Request) -> Result<Self, NotLent> {
        let commands = request.commands.get(..request.count as usize);
        let commands = commands.and_then(Commands::new).ok_or(NotLent::Terms)?;
        let login = Login(request.login);
        // A UUID with a method that has none, or a session that would not be looked at, is a mistake.
        let contradicts = request.parent != 0 && request.session != 0;
        let means_something = request.flags & !Request::UNTIL_CLOSED == 0;
        if !means_something || contradicts {
            return Err(NotLent::Terms);
        }
        Ok(Self {
            commands,
            uses: request.uses,
            lifetime: request.lifetime,
            badge: request.badge,
            depth: request.depth,
            grantee: Identity {
                login,
                uuid: request.grantee,
            },
            parent: request.parent,
            flags: request.flags,
        })
    }
}

/// Why a grant was not made, or not taken back. Its maker is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NotLent {
    /// The session or the grant is not the maker's, or not there.
    NotYours,
    /// Terms that mean nothing, or somebody to whom nothing can be lent (G3).
    Terms,
    /// More than the TA lends, or than the maker was lent (G1, G5).
    TooMuch,
    /// There is no clock that the normal world cannot set, and the grant is to end (G4).
    NoClock,
    /// The table is full.
    Full,
    /// The session's client has lent as much as it may (G11).
    OwnersQuota,
    /// It has lent that grantee as much as it may.
    GranteesQuota,
}

impl NotLent {
    /// Every reason.
    pub const ALL: [Self; 7] = [
        Self::NotYours,
        Self::Terms,
        Self::TooMuch,
        Self::NoClock,
        Self::Full,
        Self::OwnersQuota,
        Self::GranteesQuota,
    ];

    /// What the maker is told.
    pub const fn result(self) -> TeeResult {
        match self {
            Self::NotYours => TeeResult::ACCESS_DENIED,
            Self::Terms => TeeResult::BAD_PARAMETERS,
            Self::TooMuch => TeeResult::ACCESS_CONFLICT,
            Self::NoClock => TeeResult::NOT_SUPPORTED,
            Self::Full | Self::OwnersQuota | Self::GranteesQuota => TeeResult::BUSY,
        }
    }
}

const FREE: u32 = 0;
const ALIVE: u32 = 1;
const RUNNING: u32 = 2;
/// Over, and a command of it has not come back yet.
const DYING: u32 = 3;
/// Over, and a command of what was passed on from it has not.
const OUTLIVED: u32 = 4;

/// One thing that is lent.
///
/// Zeroed memory is a place for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct Grant {
    target: u64,
    number: u64,
    parent: u64,
    badge: u64,
    until: u64,
    grantee: ClientUuid,
    owner: ClientUuid,
    grantee_login: Login,
    owner_login: Login,
    uses: u32,
    /// At most [`MAX_DEPTH`].
    depth: u16,
    flags: u16,
    commands: Commands,
    state: u32,
    session: u32,
    used: u32,
}

impl Grant {
    /// A place for one.
    pub const FREE: Self = Self {
        target: 0,
        number: 0,
        parent: 0,
        badge: 0,
        until: 0,
        grantee: ClientUuid::NIL,
        owner: ClientUuid::NIL,
        grantee_login: Login::PUBLIC,
        owner_login: Login::PUBLIC,
        uses: 0,
        depth: 0,
        flags: 0,
        commands: Commands {
            known: [0; MAX_COMMANDS],
            count: 0,
        },
        state: FREE,
        session: 0,
        used: 0,
    };

    /// Its number, which no other grant ever has.
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// That of the grant that it was passed on from; 0 if it was not.
    pub const fn parent(&self) -> u64 {
        self.parent
    }

    /// The token of the session whose commands are lent.
    pub const fn target(&self) -> u64 {
        self.target
    }

    /// To whom they are.
    pub const fn grantee(&self) -> Identity {
        Identity {
            login: self.grantee_login,
            uuid: self.grantee,
        }
    }

    /// The session's client.
    pub const fn owner(&self) -> Identity {
        Identity {
            login: self.owner_login,
            uuid: self.owner,
        }
    }

    /// What the TA is told.
    pub const fn badge(&self) -> u64 {
        self.badge
    }

    /// Which commands.
    pub const fn commands(&self) -> &Commands {
        &self.commands
    }

    /// How many uses are left, of [`UNLIMITED`] ones as many.
    pub const fn uses(&self) -> u32 {
        self.uses
    }

    /// Until which instant, in milliseconds of the secure world's clock, or [`FOREVER`].
    pub const fn until(&self) -> u64 {
        self.until
    }

    /// How often it may be passed on.
    pub const fn depth(&self) -> u32 {
        self.depth as u32
    }

    /// How often it was used.
    pub const fn used(&self) -> u32 {
        self.used
    }

    /// Whether it lends something still, but for time and uses.
    pub const fn is_alive(&self) -> bool {
        matches!(self.state, ALIVE | RUNNING)
    }

    /// Whether a command of it is in the TA.
    pub const fn is_running(&self) -> bool {
        matches!(self.state, RUNNING | DYING)
    }

    fn is_until_closed(&self) -> bool {
        u32::from(self.flags) & Request::UNTIL_CLOSED != 0
    }

    fn is_spent(&self, now: Option<u64>) -> bool {
        self.uses == 0 || self.is_expired(now)
    }

    /// A clock that has gone is one that went on.
    fn is_expired(&self, now: Option<u64>) -> bool {
        self.until != FOREVER && now.is_none_or(|now| now >= self.until)
    }

    /// `in_use`: a command of it, or of what was passed on from it, is in the TA. By it is known who may take that back.
    fn end(&mut self, in_use: bool) {
        match self.state {
            RUNNING | DYING => self.state = DYING,
            _ if in_use => self.state = OUTLIVED,
            _ => *self = Self::FREE,
        }
    }
}

/// How much may be lent at a time (G11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// By the clients of sessions, each.
    pub by_owner: u32,
    /// By each of them to one grantee.
    pub to_grantee: u32,
}

/// All that is lent (rules G).
///
/// The caller holds the lock that all records are under (B14), and while a command of a grant is in the TA,
/// that of the target.
#[derive(Debug)]
pub struct Grants<'a> {
    /// One for each grant that there may be. Those after the first 256 are never used.
    pub slots: &'a mut [Grant],
    /// How many were made since the core booted.
    pub made: &'a mut u64,
}

/// The octet of a number that says where the grant is.
const SLOT: u64 = 0xff;

impl Grants<'_> {
    /// Makes a grant (G2 to G5), and tells its number.
    ///
    /// `who` asks for it. If that is a TA, the target is the session that the TA is serving; if it is served to a grantee, that one may have
    /// talked the TA into it, and what is made is passed on from what that one has.
    ///
    /// `now`: the secure world's clock in milliseconds, if the normal world cannot set it. Nothing is changed if it is not made,
    /// but that what is over no longer takes a place.
    pub fn make(
        &mut self,
        target: &Target<'_>,
        who: &Session,
        terms: &Terms,
        now: Option<u64>,
        limits: Limits,
    ) -> Result<u64, NotLent> {
        let owner = target.session.client();
        let lends = owner.login.has_uuid() && owner.uuid != ClientUuid::NIL;
        // The claim on each of the owner's operations is what makes the session the owner's.
        if target.token == 0
            || !lends
            || !target.session.is_attested()
            || owner.login == Login::TRUSTED_APP
        {
            return Err(NotLent::NotYours);
        }
        let serves = who.client().login == Login::TRUSTED_APP;
        let parent = if terms.parent != 0 {
            let usable = self.usable(terms.parent, who, target, now);
            Some(*usable.map_err(|_| NotLent::NotYours)?)
        } else if serves {
            match self.running(target.token) {
                Some(served) if !self.lends(served, now) => return Err(NotLent::NotYours),
                served => served.copied(),
            }
        } else if who.vouched_for() == Some(owner) {
            None
        } else {
            return Err(NotLent::NotYours);
        };
        let grantee = terms.grantee;
        let to = grantee.login;
        let to_somebody = to.is_known() && to.has_uuid() && grantee.uuid != ClientUuid::NIL;
        let something =
            !terms.commands.as_slice().is_empty() && terms.uses > 0 && terms.lifetime > 0;
        if !to_somebody || !something || terms.depth > MAX_DEPTH {
            return Err(NotLent::Terms);
        }
        let until = match (terms.lifetime, now) {
            (FOREVER, _) => FOREVER,
            (_, None) => return Err(NotLent::NoClock),
            // An instant that never comes would be for ever, and is not what was asked for.
            (lifetime, Some(now)) => match now.checked_add(lifetime) {
                None | Some(FOREVER) => return Err(NotLent::Terms),
                Some(until) => until,
            },
        };
        let mut grant = Grant {
            target: target.token,
            badge: terms.badge,
            until,
            grantee: grantee.uuid,
            owner: owner.uuid,
            grantee_login: to,
            owner_login: owner.login,
            uses: terms.uses,
            depth: terms.depth as u16,
            flags: terms.flags as u16,
            commands: terms.commands,
            state: ALIVE,
            session: target.id,
            ..Grant::FREE
        };
        let mut within = grant.commands.is_within(&target.lending.commands);
        if let Some(parent) = parent {
            within &= grant.commands.is_within(&parent.commands)
                && grant.uses <= parent.uses
                && grant.until <= parent.until
                && grant.depth < parent.depth;
            grant.parent = parent.number;
            // Whoever passes it on must not widen what the TA narrows by the badge. A TA that wants another one is told so: it would
            // take it for granted.
            within &= terms.parent != 0 || terms.badge == parent.badge;
            grant.badge = parent.badge;
        }
        if !within {
            return Err(NotLent::TooMuch);
        }
        self.sweep(now);
        self.count(&grant, limits)?;
        self.put(grant).ok_or(NotLent::Full)
    }

    /// The session's client, or what it lent one grantee, must leave room.
    fn count(&self, grant: &Grant, limits: Limits) -> Result<(), NotLent> {
        let (mut by_owner, mut to_grantee) = (0, 0);
        for other in self.slots.iter().filter(|slot| slot.state != FREE) {
            if other.owner() == grant.owner() {
                by_owner += 1;
                to_grantee += u32::from(other.grantee() == grant.grantee());
            }
        }
        if by_owner >= limits.by_owner {
            Err(NotLent::OwnersQuota)
        } else if to_grantee >= limits.to_grantee {
            Err(NotLent::GranteesQuota)
        } else {
            Ok(())
        }
    }

    fn put(&mut self, grant: Grant) -> Option<u64> {
        let places = self.slots.iter_mut().zip(0..=SLOT);
        let (slot, place) = places.into_iter().find(|(slot, _)| slot.state == FREE)?;
        *self.made += 1;
        let number = *self.made << SLOT.count_ones() | place;
        *slot = Grant { number, ..grant };
        Some(number)
    }

    fn place(&self, number: u64) -> Option<usize> {
        let place = (number & SLOT) as usize;
        let slot = self.slots.get(place)?;
        (slot.state != FREE && slot.number == number).then_some(place)
    }

    /// The grant with that number, alive or with a command that has not come back.
    pub fn find(&self, number: u64) -> Option<&Grant> {
        self.slots.get(self.place(number)?)
    }

    /// The grant, if it and all that it was passed on from lend something still.
    fn usable(
        &self,
        number: u64,
        who: &Session,
        target: &Target<'_>,
        now: Option<u64>,
    ) -> Result<&Grant, Refusal> {
        let who = who.vouched_for().ok_or(Refusal::Unattested)?;
        let grant = self.find(number).ok_or(Refusal::NoGrant)?;
        if grant.grantee() != who {
            return Err(Refusal::NotTheGrantee);
        }
        if grant.target == target.token && self.lends(grant, now) {
            Ok(grant)
        } else {
            Err(Refusal::NoGrant)
        }
    }

    /// Whether it and all that it was passed on from are alive, and neither spent nor out of time.
    fn lends(&self, grant: &Grant, now: Option<u64>) -> bool {
        let mut link = Some(grant);
        // No chain is longer; one that were would end nowhere, and lend nothing.
        for _ in 0..=MAX_DEPTH {
            let lending = |link: &&Grant| link.is_alive() && !link.is_spent(now);
            match link.filter(lending) {
                None => return false,
                Some(link) if link.parent == 0 => return true,
                Some(child) => link = self.find(child.parent),
            }
        }
        false
    }

    /// Decides whether somebody may open a session for what is lent there (G6). Which session's commands that are is known when
    /// the number is.
    pub fn take_up(
        &self,
        number: u64,
        who: &Session,
        target: &Target<'_>,
        now: Option<u64>,
    ) -> Result<(), Refusal> {
        self.usable(number, who, target, now).map(drop)
    }

    /// Decides a command of a grantee (G7), before anybody waits for the target.
    pub fn check(
        &self,
        number: u64,
        who: &Session,
        command: u32,
        target: &Target<'_>,
        now: Option<u64>,
    ) -> Result<(), Refusal> {
        let grant = self.usable(number, who, target, now)?;
        // What the TA has taken back since counts, too.
        if grant.commands.contains(command) && target.lending.commands.contains(command) {
            Ok(())
        } else {
            Err(Refusal::NotLent)
        }
    }

    /// Decides it again, when it has the target and nothing but it runs there; it is let in, and a use is spent, of all that it was passed
    /// on from, too. [`left`](Self::left) must follow.
    pub fn enter(
        &mut self,
        number: u64,
        who: &Session,
        command: u32,
        target: &Target<'_>,
        now: Option<u64>,
    ) -> Result<(), Refusal> {
        self.check(number, who, command, target, now)?;
        let mut link = number;
        // No chain is longer.
        for _ in 0..=MAX_DEPTH {
            let place = self.place(link);
            let Some(grant) = place.and_then(|place| self.slots.get_mut(place)) else {
                break;
            };
            if grant.uses != UNLIMITED {
                grant.uses -= 1;
            }
            grant.used = grant.used.saturating_add(1);
            if link == number {
                grant.state = RUNNING;
            }
            link = grant.parent;
        }
        Ok(())
    }

    /// The command has come back.
    pub fn left(&mut self, number: u64) {
        if let Some(grant) = self
            .place(number)
            .and_then(|place| self.slots.get_mut(place))
        {
            match grant.state {
                RUNNING => grant.state = ALIVE,
                DYING => {
                    *grant = Grant::FREE;
                    self.end_if(|grant| grant.state == OUTLIVED);
                }
                _ => {}
            }
        }
    }

    /// Whether `who` may take it back: the session's client, the TA while it serves the session, who passed it on, and who runs the
    /// machine. They may see it, too.
    pub fn may_revoke(&self, grant: &Grant, who: &Session, serving: u64) -> bool {
        let client = who.vouched_for();
        let maker = self.find(grant.parent).map(Grant::grantee);
        serving == grant.target
            || client == Some(grant.owner())
            || client.is_some() && client == maker
            || may_ask(who.client())
    }

    /// Takes a grant back (G8), with all that was passed on from it. Tells whether a command of those is in the TA: none comes
    /// after. `serving`: if a TA asks, the token of the session that it is serving; otherwise 0.
    pub fn revoke(&mut self, number: u64, who: &Session, serving: u64) -> Result<bool, NotLent> {
        let grant = self.find(number).ok_or(NotLent::NotYours)?;
        if !self.may_revoke(grant, who, serving) {
            return Err(NotLent::NotYours);
        }
        // It may have ended before, by who passed it on: its command is one of those all the same.
        let running = self.running(grant.target);
        let its_own = running.is_some_and(|running| self.comes_from(running, number));
        self.end_one(number);
        Ok(its_own)
    }

    /// What is said of the grant in that slot, if there is one that may be taken back by who asks. C knows the TA.
    pub fn list(
        &self,
        slot: usize,
        who: &Session,
        ta: ClientUuid,
        now: Option<u64>,
    ) -> Option<Listed> {
        let grant = self.slots.get(slot).filter(|grant| grant.state != FREE)?;
        if !self.may_revoke(grant, who, 0) {
            return None;
        }
        let left = match (grant.until, now) {
            (FOREVER, _) => FOREVER,
            (until, Some(now)) => until.saturating_sub(now),
            (_, None) => 0,
        };
        let running = u32::from(grant.is_running()) * Listed::RUNNING;
        let over = u32::from(!self.lends(grant, now)) * Listed::OVER;
        Some(Listed {
            number: grant.number,
            parent: grant.parent,
            badge: grant.badge,
            left,
            ta,
            owner: grant.owner,
            grantee: grant.grantee,
            owner_login: grant.owner_login,
            grantee_login: grant.grantee_login,
            uses: grant.uses,
            used: grant.used,
            depth: grant.depth(),
            session: grant.session,
            state: running | over,
            count: grant.commands.count,
            commands: grant.commands.known,
        })
    }

    /// The session is closed or its TA has panicked: nothing of it is lent any more. Tells whether a command is in the TA.
    pub fn end(&mut self, token: u64) -> bool {
        self.end_if(|grant| grant.target == token);
        self.is_dying(token)
    }

    /// `who` has closed a session that was for the grant with that number. If it was lent until then, it is over (G8).
    pub fn closed(&mut self, number: u64, who: &Session) {
        let its = |grant: &&Grant| who.vouched_for() == Some(grant.grantee());
        if (self.find(number).filter(its)).is_some_and(Grant::is_until_closed) {
            self.end_one(number);
        }
    }

    fn end_one(&mut self, number: u64) {
        self.end_if(|grant| grant.number == number);
    }

    fn is_dying(&self, token: u64) -> bool {
        self.running(token).is_some_and(|grant| !grant.is_alive())
    }

    /// The grant whose command is in the TA, in that session (G9).
    pub fn running(&self, token: u64) -> Option<&Grant> {
        let mut slots = self.slots.iter();
        slots.find(|grant| grant.target == token && grant.is_running())
    }

    /// Whether it is the grant with that number, or was passed on from it.
    fn comes_from(&self, grant: &Grant, number: u64) -> bool {
        let chain = core::iter::successors(Some(grant), |link| self.find(link.parent));
        // No chain is longer.
        chain
            .take(MAX_DEPTH as usize + 1)
            .any(|link| link.number == number)
    }

    /// Whether a command of it, or of what was passed on from it, is in the TA.
    fn is_in_use(&self, grant: &Grant) -> bool {
        let running = self.running(grant.target);
        running.is_some_and(|running| self.comes_from(running, grant.number))
    }

    /// What lends nothing any more gives its place away, unless who may take back what runs is known by it.
    fn sweep(&mut self, now: Option<u64>) {
        self.end_each(|grants, grant| !grants.is_in_use(grant) && !grants.lends(grant, now));
    }

    /// Ends them, and what was passed on from them (G5).
    fn end_if(&mut self, ends: impl Fn(&Grant) -> bool) {
        self.end_each(|_, grant| ends(grant));
        // Each round ends what was passed on once more.
        for _ in 0..MAX_DEPTH {
            self.end_each(|grants, grant| {
                grant.parent != 0 && !grants.find(grant.parent).is_some_and(Grant::is_alive)
            });
        }
    }

    fn end_each(&mut self, ends: impl Fn(&Self, &Grant) -> bool) {
        for place in 0..self.slots.len() {
            let ending = self.slots.get(place);
            let ending = ending.filter(|grant| grant.state != FREE && ends(self, grant));
            let in_use = ending.map(|grant| self.is_in_use(grant));
            if let Some((in_use, grant)) = in_use.zip(self.slots.get_mut(place)) {
                grant.end(in_use);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use client_binding_clients::Client;

    const OWNER: Identity = Identity::new(Login::USER, ClientUuid([1, 1]));
    const OTHER: Identity = Identity::new(Login::USER, ClientUuid([2, 2]));
    const THIRD: Identity = Identity::new(Login::GROUP, ClientUuid([3, 3]));
    const TA: Identity = Identity::new(Login::TRUSTED_APP, ClientUuid([4, 4]));
    const NOW: Option<u64> = Some(1000);
    const LIMITS: Limits = Limits {
        by_owner: 8,
        to_grantee: 8,
    };
    const READ: u32 = 7;
    const LIST: u32 = 8;
    const WRITE: u32 = 9;

    fn by(who: Identity) -> Session {
        Session::new(who, true).unwrap()
    }

    fn operator() -> Session {
        let root = ClientUuid::from_octets(Client::user(0).uuid().into_bytes());
        by(Identity::new(Login::USER, root))
    }

    fn commands(commands: &[u32]) -> Commands {
        Commands::new(commands).unwrap()
    }

    /// A table, and a session of OWNER's with the token 1, of which READ and LIST may be lent.
    struct Fixture {
        slots: [Grant; 6],
        made: u64,
        session: Session,
        lending: Lending,
    }

    impl Fixture {
        fn new() -> Self {
            Self::of(OWNER, true)
        }

        fn of(owner: Identity, attested: bool) -> Self {
            Self {
                slots: [Grant::FREE; 6],
                made: 0,
                session: Session::new(owner, attested).unwrap(),
                lending: Lending {
                    commands: commands(&[READ, LIST]),
                },
            }
        }

        fn parts(&mut self) -> (Grants<'_>, Target<'_>) {
            self.with_token(1)
        }

        fn with_token(&mut self, token: u64) -> (Grants<'_>, Target<'_>) {
            let grants = Grants {
                slots: &mut self.slots,
                made: &mut self.made,
            };
            let target = Target {
                token,
                id: 40 + token as u32,
                session: &self.session,
                lending: &self.lending,
            };
            (grants, target)
        }

        fn make(&mut self, who: Session, grantee: Identity, terms: &Terms) -> Result<u64, NotLent> {
            self.pass_on(0, who, grantee, terms)
        }

        fn pass_on(
            &mut self,
            parent: u64,
            who: Session,
            grantee: Identity,
            terms: &Terms,
        ) -> Result<u64, NotLent> {
            let (mut grants, target) = self.parts();
            let terms = Terms {
                grantee,
                parent,
                ..*terms
            };
            grants.make(&target, &who, &terms, NOW, LIMITS)
        }

        fn lend(&mut self, terms: &Terms) -> u64 {
            self.make(by(OWNER), OTHER, terms).unwrap()
        }

        fn check(&mut self, number: u64, who: Identity, command: u32) -> Result<(), Refusal> {
            let (grants, target) = self.parts();
            grants.check(number, &by(who), command, &target, NOW)
        }

        fn enter(&mut self, number: u64, who: Identity, command: u32) -> Result<(), Refusal> {
            let (mut grants, target) = self.parts();
            grants.enter(number, &by(who), command, &target, NOW)
        }

        fn use_once(&mut self, number: u64, who: Identity) -> Result<(), Refusal> {
            self.enter(number, who, READ)?;
            self.parts().0.left(number);
            Ok(())
        }
    }

    fn terms() -> Terms {
        Terms {
            commands: commands(&[READ]),
            uses: UNLIMITED,
            lifetime: FOREVER,
            badge: 0xbad9e,
            depth: 0,
            grantee: OTHER,
            parent: 0,
            flags: 0,
        }
    }

    #[test]
    fn a_set_of_commands() {
        assert_eq!(Commands::default().as_slice(), []);
        assert_eq!(commands(&[5, 0, 5]).as_slice(), [5, 0]);
        assert!(commands(&[5, 0]).contains(0) && !commands(&[5]).contains(0));
        assert!(commands(&[0]).is_within(&commands(&[5, 0])));
        assert!(!commands(&[0, 1]).is_within(&commands(&[5, 0])));
        let all: [u32; MAX_COMMANDS + 1] = core::array::from_fn(|n| n as u32);
        assert_eq!(commands(&all[1..]).as_slice(), &all[1..]);
        assert_eq!(Commands::new(&all), None);
        // Any octets make one.
        let broken = Commands {
            known: [3; MAX_COMMANDS],
            count: u32::MAX,
        };
        assert_eq!(broken.as_slice(), [3; MAX_COMMANDS]);
    }

    #[test]
    fn what_is_lent_is_what_was_asked_for() {
        let mut f = Fixture::new();
        let asked = Terms {
            commands: commands(&[LIST, READ]),
            uses: 3,
            lifetime: 500,
            badge: 77,
            depth: 2,
            ..terms()
        };
        let number = f.make(by(OWNER), THIRD, &asked).unwrap();
        let (grants, _) = f.parts();
        let grant = grants.find(number).unwrap();
        assert_eq!(
            (grant.number(), grant.parent(), grant.target()),
            (number, 0, 1)
        );
        assert_eq!((grant.owner(), grant.grantee()), (OWNER, THIRD));
        assert_eq!((grant.badge(), grant.uses(), grant.depth()), (77, 3, 2));
        assert_eq!((grant.until(), grant.commands()), (1500, &asked.commands));
        assert!(grant.is_alive() && !grant.is_running() && grant.used() == 0);
    }

    #[test]
    fn only_the_client_and_the_ta_lend() {
        for client in [OTHER, THIRD, Identity::new(Login::GROUP, OWNER.uuid)] {
            let made = Fixture::new().make(by(client), OTHER, &terms());
            assert_eq!(made, Err(NotLent::NotYours));
        }
        for maker in [by(OWNER), by(TA)] {
            assert!(Fixture::new().make(maker, OTHER, &terms()).is_ok());
        }
        // Sessions that are nobody's, whose client nobody vouches for, or a TA's, which another may be waiting for.
        for (owner, attested) in [
            (Identity::new(Login::PUBLIC, ClientUuid::NIL), true),
            (Identity::new(Login::REE_KERNEL, ClientUuid::NIL), true),
            (Identity::new(Login::USER, ClientUuid::NIL), true),
            (Identity::new(Login::TRUSTED_APP, ClientUuid([4, 4])), true),
            (OWNER, false),
        ] {
            for maker in [by(owner), by(TA)] {
                let made = Fixture::of(owner, attested).make(maker, OTHER, &terms());
                assert_eq!(made, Err(NotLent::NotYours), "{owner:?}");
            }
        }
    }

    #[test]
    fn nobody_without_a_voucher_has_a_say() {
        let unattested = |who| Session::new(who, false).unwrap();
        let mut f = Fixture::new();
        let number = f.lend(&Terms {
            depth: 1,
            ..terms()
        });
        let (mut grants, target) = f.parts();
        let used = grants.check(number, &unattested(OTHER), READ, &target, NOW);
        assert_eq!(used, Err(Refusal::Unattested));
        for (who, parent) in [(OWNER, 0), (OTHER, number)] {
            let terms = Terms { parent, ..terms() };
            let made = grants.make(&target, &unattested(who), &terms, NOW, LIMITS);
            assert_eq!(made, Err(NotLent::NotYours));
        }
        let revoked = grants.revoke(number, &unattested(OWNER), 0);
        assert_eq!(revoked, Err(NotLent::NotYours));
        assert_eq!(f.check(number, OTHER, READ), Ok(()));
    }

    /// The TA may have been talked into it.
    #[test]
    fn a_ta_that_serves_a_grantee_passes_on() {
        let mut f = Fixture::new();
        let deep = Terms {
            depth: 1,
            uses: 2,
            ..terms()
        };
        let [flat, deep] = [terms(), deep].map(|terms| f.lend(&terms));
        assert_eq!(f.enter(flat, OTHER, READ), Ok(()));
        let less = Terms { uses: 1, ..terms() };
        let made = f.make(by(TA), THIRD, &less);
        assert_eq!(made, Err(NotLent::TooMuch));
        f.parts().0.left(flat);
        assert_eq!(f.enter(deep, OTHER, READ), Ok(()));
        let other_badge = Terms { badge: 7, ..less };
        let made = f.make(by(TA), THIRD, &other_badge);
        assert_eq!(made, Err(NotLent::TooMuch));
        let child = f.make(by(TA), THIRD, &less).unwrap();
        let parent = f.parts().0.find(child).map(Grant::parent);
        assert_eq!(parent, Some(deep));
        f.parts().0.revoke(deep, &operator(), 0).unwrap();
        let made = f.make(by(TA), THIRD, &less);
        assert_eq!(made, Err(NotLent::NotYours));
    }

    /// A request for [`terms`].
    fn request() -> Request {
        Request {
            badge: 0xbad9e,
            lifetime: FOREVER,
            grantee: OTHER.uuid,
            login: OTHER.login.0,
            uses: UNLIMITED,
            count: 1,
            session: 41,
            commands: [READ, 0, 0, 0, 0, 0, 0, 0],
            ..Request::default()
        }
    }

    #[test]
    fn a_request_is_read_or_refused() {
        let read = |change: fn(&mut Request)| {
            let mut request = request();
            change(&mut request);
            Terms::read(&request)
        };
        assert_eq!(read(|_| ()), Ok(terms()));
        let passed_on = read(|r| (r.parent, r.session) = (5, 0));
        let expected = Terms {
            parent: 5,
            ..terms()
        };
        assert_eq!(passed_on, Ok(expected));
        let handle = read(|r| r.flags = Request::UNTIL_CLOSED);
        let expected = Terms {
            flags: Request::UNTIL_CLOSED,
            ..terms()
        };
        assert_eq!(handle, Ok(expected));
        let all = read(|r| (r.count, r.commands) = (8, core::array::from_fn(|n| n as u32)));
        assert_eq!(all.map(|terms| terms.commands.count), Ok(8));
        let mistakes: [fn(&mut Request); 5] = [
            |r| r.count = 9,
            |r| r.count = u32::MAX,
            |r| r.flags = 2,
            |r| r.flags = 1 << 31 | 1,
            |r| r.parent = 5,
        ];
        for mistake in mistakes {
            assert_eq!(read(mistake), Err(NotLent::Terms));
        }
    }

    #[test]
    fn what_is_lent_until_it_is_closed_is_over_then() {
        let mut f = Fixture::new();
        let handle = Terms {
            flags: Request::UNTIL_CLOSED,
            depth: 1,
            ..terms()
        };
        let (plain, number) = (f.lend(&terms()), f.lend(&handle));
        let passed_on = f.pass_on(number, by(OTHER), THIRD, &terms()).unwrap();
        // By who is not the grantee, or not known to be; of what is lent for longer; of what is not there.
        for (closed, who) in [
            (number, by(OWNER)),
            (number, by(THIRD)),
            (number, Session::new(OTHER, false).unwrap()),
            (plain, by(OTHER)),
            (0, by(OTHER)),
            (passed_on, by(THIRD)),
        ] {
            f.parts().0.closed(closed, &who);
            for (lent, who) in [(plain, OTHER), (number, OTHER), (passed_on, THIRD)] {
                assert_eq!(f.check(lent, who, READ), Ok(()), "{closed:#x}");
            }
        }
        f.parts().0.closed(number, &by(OTHER));
        assert_eq!(f.check(number, OTHER, READ), Err(Refusal::NoGrant));
        assert_eq!(f.check(passed_on, THIRD, READ), Err(Refusal::NoGrant));
        assert_eq!(f.check(plain, OTHER, READ), Ok(()));
    }

    #[test]
    fn what_may_be_taken_back_is_listed() {
        let mut f = Fixture::new();
        let wide = Terms {
            commands: commands(&[READ, LIST]),
            uses: 5,
            lifetime: 100,
            depth: 1,
            ..terms()
        };
        let number = f.lend(&wide);
        let less = Terms {
            uses: 1,
            lifetime: 50,
            ..terms()
        };
        let child = f.pass_on(number, by(OTHER), THIRD, &less).unwrap();
        assert_eq!(f.enter(child, THIRD, READ), Ok(()));
        let ta = ClientUuid([7, 8]);
        let (grants, _) = f.parts();
        let seen = |who: &Session| -> [Option<u64>; 7] {
            core::array::from_fn(|slot| {
                let listed = grants.list(slot, who, ta, NOW);
                listed.map(|listed| listed.number)
            })
        };
        let nothing = [None; 7];
        let mut passed_on = nothing;
        passed_on[1] = Some(child);
        let mut all = passed_on;
        all[0] = Some(number);
        for (who, expected) in [
            (by(OWNER), all),
            (operator(), all),
            (by(OTHER), passed_on),
            (by(THIRD), nothing),
            (by(TA), nothing),
        ] {
            assert_eq!(seen(&who), expected, "{who:?}");
        }
        let list = |slot, now| grants.list(slot, &by(OWNER), ta, now).unwrap();
        let expected = Listed {
            number,
            parent: 0,
            badge: 0xbad9e,
            left: 100,
            ta,
            owner: OWNER.uuid,
            grantee: OTHER.uuid,
            owner_login: OWNER.login,
            grantee_login: OTHER.login,
            uses: 4,
            used: 1,
            depth: 1,
            session: 41,
            state: 0,
            count: 2,
            commands: [READ, LIST, 0, 0, 0, 0, 0, 0],
        };
        assert_eq!(list(0, NOW), expected);
        // The child is spent, and its command is still in the TA.
        let state = Listed::RUNNING | Listed::OVER;
        assert_eq!((list(1, NOW).state, list(1, NOW).parent), (state, number));
        // Out of time, or nobody knows.
        for now in [Some(1100), Some(5000), None] {
            let listed = list(0, now);
            assert_eq!((listed.left, listed.state), (0, Listed::OVER), "{now:?}");
        }
        let number = f.lend(&terms());
        let (grants, _) = f.parts();
        let listed = grants.list(2, &by(OWNER), ta, None).unwrap();
        assert_eq!(
            (listed.number, listed.left, listed.state),
            (number, FOREVER, 0)
        );
    }

    #[test]
    fn a_session_that_is_not_there_lends_nothing() {
        let mut f = Fixture::new();
        let (mut grants, target) = f.with_token(0);
        for who in [OWNER, TA] {
            let made = grants.make(&target, &by(who), &terms(), NOW, LIMITS);
            assert_eq!(made, Err(NotLent::NotYours));
        }
    }

    #[test]
    fn terms_that_mean_nothing() {
        let nobody = [
            Identity::new(Login::PUBLIC, ClientUuid::NIL),
            Identity::new(Login::REE_KERNEL, ClientUuid::NIL),
            Identity::new(Login::USER, ClientUuid::NIL),
            // What has no UUID with one.
            Identity::new(Login::PUBLIC, ClientUuid([1, 1])),
            Identity::new(Login::REE_KERNEL, ClientUuid([1, 1])),
            Identity::new(Login(3), ClientUuid([1, 1])),
        ];
        let make = |to, terms| Fixture::new().make(by(OWNER), to, &terms);
        for to in nobody {
            assert_eq!(make(to, terms()), Err(NotLent::Terms), "{to:?}");
        }
        let ta = Identity::new(Login::TRUSTED_APP, ClientUuid([5, 5]));
        assert!(make(ta, terms()).is_ok());
        for (bad, why) in [
            (
                Terms {
                    commands: Commands::default(),
                    ..terms()
                },
                NotLent::Terms,
            ),
            (Terms { uses: 0, ..terms() }, NotLent::Terms),
            (
                Terms {
                    lifetime: 0,
                    ..terms()
                },
                NotLent::Terms,
            ),
            (
                Terms {
                    lifetime: FOREVER - 1000,
                    ..terms()
                },
                NotLent::Terms,
            ),
            (
                Terms {
                    lifetime: FOREVER - 1,
                    ..terms()
                },
                NotLent::Terms,
            ),
            (
                Terms {
                    depth: MAX_DEPTH + 1,
                    ..terms()
                },
                NotLent::Terms,
            ),
            (
                Terms {
                    commands: commands(&[READ, WRITE]),
                    ..terms()
                },
                NotLent::TooMuch,
            ),
        ] {
            assert_eq!(make(OTHER, bad), Err(why), "{bad:?}");
        }
        for good in [
            Terms { uses: 1, ..terms() },
            Terms {
                lifetime: FOREVER - 1001,
                ..terms()
            },
            Terms {
                depth: MAX_DEPTH,
                ..terms()
            },
        ] {
            assert!(make(OTHER, good).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn without_a_clock_nothing_ends_and_nothing_that_ends_is_lent() {
        let mut f = Fixture::new();
        let timed = Terms {
            lifetime: 1,
            ..terms()
        };
        let number = f.lend(&timed);
        let (mut grants, target) = f.parts();
        let mut make = |terms| grants.make(&target, &by(TA), terms, None, LIMITS);
        assert_eq!(make(&timed), Err(NotLent::NoClock));
        assert!(make(&terms()).is_ok());
        // The clock was there once; what it would have ended is over.
        let refused = grants.check(number, &by(OTHER), READ, &target, None);
        assert_eq!(refused, Err(Refusal::NoGrant));
    }

    #[test]
    fn who_uses_what() {
        let mut f = Fixture::new();
        let number = f.lend(&terms());
        assert_eq!(f.check(number, OTHER, READ), Ok(()));
        for command in [LIST, WRITE] {
            assert_eq!(f.check(number, OTHER, command), Err(Refusal::NotLent));
        }
        for who in [OWNER, THIRD, Identity::new(Login::GROUP, OTHER.uuid)] {
            assert_eq!(f.check(number, who, READ), Err(Refusal::NotTheGrantee));
        }
        for wrong in [0, number + 1, number ^ 1 << 8, number | 0xff] {
            assert_eq!(
                f.check(wrong, OTHER, READ),
                Err(Refusal::NoGrant),
                "{wrong:#x}"
            );
        }
        // Another session, though it may have the same client.
        let (grants, target) = f.with_token(2);
        let elsewhere = grants.take_up(number, &by(OTHER), &target, NOW);
        assert_eq!(elsewhere, Err(Refusal::NoGrant));
        let (grants, target) = f.parts();
        assert_eq!(grants.take_up(number, &by(OTHER), &target, NOW), Ok(()));
        // The TA has thought better of it.
        f.lending.commands = commands(&[LIST]);
        assert_eq!(f.check(number, OTHER, READ), Err(Refusal::NotLent));
    }

    #[test]
    fn uses_are_counted_to_the_last() {
        let mut f = Fixture::new();
        let number = f.lend(&Terms { uses: 2, ..terms() });
        for _ in 0..2 {
            assert_eq!(f.use_once(number, OTHER), Ok(()));
        }
        assert_eq!(f.use_once(number, OTHER), Err(Refusal::NoGrant));
        let number = f.lend(&terms());
        for _ in 0..20 {
            assert_eq!(f.use_once(number, OTHER), Ok(()));
        }
        assert_eq!(f.parts().0.find(number).map(Grant::used), Some(20));
        // A refused command is no use.
        let number = f.lend(&Terms { uses: 1, ..terms() });
        assert_eq!(f.enter(number, OTHER, LIST), Err(Refusal::NotLent));
        assert_eq!(f.enter(number, THIRD, READ), Err(Refusal::NotTheGrantee));
        assert_eq!(f.use_once(number, OTHER), Ok(()));
    }

    #[test]
    fn it_ends_at_its_instant() {
        let mut f = Fixture::new();
        let number = f.lend(&Terms {
            lifetime: 10,
            ..terms()
        });
        let (grants, target) = f.parts();
        let at = |now| grants.check(number, &by(OTHER), READ, &target, Some(now));
        assert_eq!([at(1000), at(1009)], [Ok(()), Ok(())]);
        assert_eq!([at(1010), at(u64::MAX)], [Err(Refusal::NoGrant); 2]);
    }

    #[test]
    fn what_is_passed_on_is_less() {
        let mut f = Fixture::new();
        let wide = Terms {
            commands: commands(&[READ, LIST]),
            uses: 5,
            lifetime: 100,
            badge: 1,
            depth: 1,
            ..terms()
        };
        let parent = f.lend(&wide);
        let on = (parent, by(OTHER));
        let less = Terms {
            commands: commands(&[READ]),
            uses: 2,
            lifetime: 50,
            badge: 2,
            ..terms()
        };
        for more in [
            Terms { uses: 6, ..less },
            Terms {
                uses: UNLIMITED,
                ..less
            },
            Terms {
                lifetime: 101,
                ..less
            },
            Terms {
                lifetime: FOREVER,
                ..less
            },
            Terms { depth: 1, ..less },
        ] {
            assert_eq!(
                f.pass_on(on.0, on.1, THIRD, &more),
                Err(NotLent::TooMuch),
                "{more:?}"
            );
        }
        let narrow = f.lend(&Terms {
            depth: 1,
            ..terms()
        });
        let all = Terms {
            commands: wide.commands,
            ..less
        };
        let refused = f.pass_on(narrow, by(OTHER), THIRD, &all);
        assert_eq!(refused, Err(NotLent::TooMuch));
        for who in [OWNER, THIRD] {
            let refused = f.pass_on(parent, by(who), THIRD, &less);
            assert_eq!(refused, Err(NotLent::NotYours));
        }
        let refused = f.pass_on(parent + 1, by(OTHER), THIRD, &less);
        assert_eq!(refused, Err(NotLent::NotYours));
        let child = f.pass_on(on.0, on.1, THIRD, &less).unwrap();
        let grants = f.parts().0;
        let grant = grants.find(child).unwrap();
        assert_eq!(
            (grant.parent(), grant.badge(), grant.owner()),
            (parent, 1, OWNER)
        );
        // Whoever may not pass it on does not.
        let refused = f.pass_on(child, by(THIRD), OTHER, &less);
        assert_eq!(refused, Err(NotLent::TooMuch));
        // Uses of the child are its parent's, too.
        for _ in 0..4 {
            assert_eq!(f.use_once(parent, OTHER), Ok(()));
        }
        assert_eq!(f.use_once(child, THIRD), Ok(()));
        assert_eq!(f.use_once(child, THIRD), Err(Refusal::NoGrant));
    }

    /// A chain as long as may be, and what becomes of it when its middle ends.
    #[test]
    fn what_was_passed_on_ends_with_it() {
        for ended in 0..4 {
            let mut f = Fixture::new();
            let mut numbers = [0; 4];
            numbers[0] = f.lend(&Terms {
                depth: 3,
                ..terms()
            });
            for n in 1..4 {
                let on = (numbers[n - 1], by(OTHER));
                let depth = 3 - n as u32;
                numbers[n] = f
                    .pass_on(on.0, on.1, OTHER, &Terms { depth, ..terms() })
                    .unwrap();
            }
            let last = f.pass_on(numbers[3], by(OTHER), OTHER, &terms());
            assert_eq!(last, Err(NotLent::TooMuch));
            assert_eq!(f.enter(numbers[3], OTHER, READ), Ok(()));
            let (mut grants, _) = f.parts();
            assert_eq!(grants.revoke(numbers[ended], &by(OWNER), 0), Ok(true));
            for (n, number) in numbers.into_iter().enumerate() {
                assert_eq!(f.check(number, OTHER, READ).is_ok(), n < ended);
            }
            let (mut grants, _) = f.parts();
            let running = grants.running(1).unwrap();
            assert_eq!((running.number(), running.is_alive()), (numbers[3], false));
            grants.left(numbers[3]);
            assert_eq!(grants.running(1), None);
            assert_eq!(grants.find(numbers[3]), None);
        }
    }

    #[test]
    fn who_takes_back() {
        let mut f = Fixture::new();
        let parent = f.lend(&Terms {
            depth: 1,
            ..terms()
        });
        let child = f.pass_on(parent, by(OTHER), THIRD, &terms()).unwrap();
        let (mut grants, _) = f.parts();
        for (number, (revoker, serving)) in [
            (parent, (by(OTHER), 0)),
            (parent, (by(THIRD), 0)),
            (child, (by(THIRD), 0)),
            (parent, (by(TA), 2)),
            (parent + 1, (operator(), 0)),
        ] {
            assert_eq!(
                grants.revoke(number, &revoker, serving),
                Err(NotLent::NotYours),
                "{revoker:?}"
            );
        }
        assert_eq!(grants.revoke(child, &by(OTHER), 0), Ok(false));
        assert_eq!(f.check(child, THIRD, READ), Err(Refusal::NoGrant));
        assert_eq!(f.check(parent, OTHER, READ), Ok(()));
        for (revoker, serving) in [(by(OWNER), 0), (by(TA), 1), (operator(), 0)] {
            let number = f.lend(&terms());
            assert_eq!(f.parts().0.revoke(number, &revoker, serving), Ok(false));
            assert_eq!(f.check(number, OTHER, READ), Err(Refusal::NoGrant));
        }
    }

    /// What runs belongs to all that it was passed on from, whoever has ended it and whatever is over.
    #[test]
    fn what_runs_is_told_to_each_who_may_end_it() {
        let chain = || {
            let mut f = Fixture::new();
            let once = Terms {
                uses: 1,
                depth: 1,
                ..terms()
            };
            let parent = f.lend(&once);
            let less = Terms { depth: 0, ..once };
            let child = f.pass_on(parent, by(OTHER), THIRD, &less).unwrap();
            assert_eq!(f.enter(child, THIRD, READ), Ok(()));
            (f, parent, child)
        };
        // Who has passed it on does not hide it from the owner.
        let (mut f, parent, child) = chain();
        let mut grants = f.parts().0;
        assert_eq!(grants.revoke(child, &by(OTHER), 0), Ok(true));
        assert_eq!(grants.revoke(parent, &by(OWNER), 0), Ok(true));
        // Nor does a grant that is made meanwhile, though parent and child are spent.
        let (mut f, parent, child) = chain();
        let another = f.lend(&terms());
        let mut grants = f.parts().0;
        assert_eq!(grants.revoke(another, &by(OWNER), 0), Ok(false));
        assert_eq!(grants.revoke(child, &by(OTHER), 0), Ok(true));
        assert_eq!(grants.revoke(parent, &by(OWNER), 0), Ok(true));
        // When it has come back there is room.
        grants.left(child);
        f.lend(&terms());
        let (grants, _) = f.parts();
        assert!(grants.find(parent).is_none() && grants.find(child).is_none());
    }

    #[test]
    fn one_that_runs_comes_back() {
        let mut f = Fixture::new();
        let [number, another] = [f.lend(&terms()), f.lend(&terms())];
        assert_eq!(f.enter(number, OTHER, READ), Ok(()));
        let (mut grants, _) = f.parts();
        assert!(grants.find(number).unwrap().is_running());
        // That of another is no concern of this one's.
        assert_eq!(grants.revoke(another, &operator(), 0), Ok(false));
        assert_eq!(grants.revoke(number, &operator(), 0), Ok(true));
        // The owner may ask twice.
        assert_eq!(grants.revoke(number, &operator(), 0), Ok(true));
        assert_eq!(f.enter(number, OTHER, READ), Err(Refusal::NoGrant));
        let (mut grants, _) = f.parts();
        grants.left(number);
        grants.left(number);
        assert_eq!(
            grants.revoke(number, &operator(), 0),
            Err(NotLent::NotYours)
        );
        // What did not run does not change by coming back.
        let number = f.lend(&terms());
        f.parts().0.left(number);
        assert_eq!(f.check(number, OTHER, READ), Ok(()));
    }

    #[test]
    fn the_end_of_a_session() {
        let mut f = Fixture::new();
        let number = f.lend(&terms());
        let elsewhere = {
            let (mut grants, target) = f.with_token(2);
            let made = grants.make(&target, &by(TA), &terms(), NOW, LIMITS);
            made.unwrap()
        };
        assert_eq!(f.enter(number, OTHER, READ), Ok(()));
        let (mut grants, _) = f.parts();
        assert!(grants.end(1));
        grants.left(number);
        assert!(!grants.end(1));
        let elsewhere = grants.find(elsewhere).unwrap();
        assert!(elsewhere.is_alive() && elsewhere.target() == 2);
        // A later session with the same token has nothing of it.
        assert_eq!(f.check(number, OTHER, READ), Err(Refusal::NoGrant));
    }

    #[test]
    fn a_full_table_and_quotas() {
        let mut f = Fixture::new();
        let limits = |by_owner, to_grantee| Limits {
            by_owner,
            to_grantee,
        };
        let mut make = |to, limits, terms: &Terms| {
            let (mut grants, target) = f.parts();
            let terms = Terms {
                grantee: to,
                ..*terms
            };
            grants.make(&target, &by(OWNER), &terms, NOW, limits)
        };
        let one = make(OTHER, limits(8, 8), &Terms { uses: 1, ..terms() }).unwrap();
        assert!(make(OTHER, limits(2, 2), &terms()).is_ok());
        assert_eq!(
            make(OTHER, limits(2, 8), &terms()),
            Err(NotLent::OwnersQuota)
        );
        assert_eq!(
            make(OTHER, limits(8, 2), &terms()),
            Err(NotLent::GranteesQuota)
        );
        assert!(make(THIRD, limits(8, 1), &terms()).is_ok());
        for _ in 0..3 {
            assert!(make(OTHER, limits(8, 8), &terms()).is_ok());
        }
        assert_eq!(make(OTHER, limits(8, 8), &terms()), Err(NotLent::Full));
        // What is spent takes no place.
        assert_eq!(f.use_once(one, OTHER), Ok(()));
        let again = f.lend(&terms());
        assert_eq!((again & SLOT, again == one), (one & SLOT, false));
        // Somebody else's quota is another.
        f.session = Session::new(THIRD, true).unwrap();
        let full = f.make(by(THIRD), OTHER, &terms());
        assert_eq!(full, Err(NotLent::Full));
    }

    #[test]
    fn what_is_spent_while_it_runs_keeps_its_place() {
        let mut f = Fixture::new();
        let number = f.lend(&Terms { uses: 1, ..terms() });
        assert_eq!(f.enter(number, OTHER, READ), Ok(()));
        for _ in 0..5 {
            f.lend(&terms());
        }
        let full = f.make(by(OWNER), OTHER, &terms());
        assert_eq!(full, Err(NotLent::Full));
        assert_eq!(f.parts().0.running(1).map(Grant::number), Some(number));
        f.parts().0.left(number);
        assert!(f.make(by(TA), OTHER, &terms()).is_ok());
    }

    /// A record that no event leads to: the chain of its parents has no end.
    #[test]
    fn a_ring_lends_nothing() {
        let mut f = Fixture::new();
        let [one, two] = [f.lend(&terms()), f.lend(&terms())];
        (f.slots[0].parent, f.slots[1].parent) = (two, one);
        for number in [one, two] {
            assert_eq!(f.check(number, OTHER, READ), Err(Refusal::NoGrant));
        }
    }

    #[test]
    fn each_reason_has_a_result() {
        for reason in NotLent::ALL {
            assert_ne!(reason.result(), TeeResult::SUCCESS);
        }
        assert_eq!(NotLent::TooMuch.result(), TeeResult::ACCESS_CONFLICT);
    }

    /// It is known by what lies between, which is over.
    #[test]
    fn a_grandchilds_command_is_told_of_when_what_it_came_from_was_taken_back() {
        let mut fixture = Fixture::new();
        let (mut grants, target) = fixture.parts();
        let mut chain = [0; 3];
        let people = [OWNER, OTHER, THIRD, OTHER];
        for nth in 0..3 {
            let terms = Terms {
                grantee: people[nth + 1],
                depth: 2 - nth as u32,
                parent: nth.checked_sub(1).map_or(0, |before| chain[before]),
                ..terms()
            };
            let made = grants.make(&target, &by(people[nth]), &terms, NOW, LIMITS);
            chain[nth] = made.unwrap();
        }
        let [first, second, third] = chain;
        assert_eq!(grants.enter(third, &by(OTHER), READ, &target, NOW), Ok(()));
        for _ in 0..2 {
            // As often as it is asked, by whoever may ask.
            assert_eq!(grants.revoke(second, &by(OTHER), 0), Ok(true));
            assert!(!grants.find(second).unwrap().is_alive());
            assert!(!grants.find(second).unwrap().is_running());
            assert_eq!(grants.running(1).unwrap().number(), third);
        }
        assert!(grants.find(first).unwrap().is_alive());
        assert_eq!(grants.revoke(first, &by(OWNER), 0), Ok(true));
        assert!(grants.end(1));
        grants.left(third);
        assert_eq!(fixture.slots, [Grant::FREE; 6]);
    }
}
