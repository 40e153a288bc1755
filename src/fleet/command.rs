//! A fleet that is reached by commands and configuration files.

mod point;
mod proof;

use crate::command::Job;
use crate::command::Ran;
use crate::command::Runner;
use crate::command::printable;
use crate::disk;
use crate::fault::Fault;
use crate::model::Fingerprint;
use crate::model::Member;
use crate::policy::meant;
use crate::policy::meant::fleet::Deliver;
use crate::policy::meant::fleet::Gives;
use crate::policy::meant::fleet::Members;
use crate::policy::meant::fleet::RestartHow;
use crate::port::facts::Facts;
use crate::port::fleet::Delivered;
use crate::port::fleet::Fleet;
use crate::port::fleet::Row;
use crate::port::probe::Secrets;
use crate::secret::Secret;
use crate::secret::random_array;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How long a command may take for which the policy says nothing: a delivery, a list, a proof.
const WITHIN: Duration = Duration::from_secs(120);
/// More members than this are a mistake in the command that lists them.
const MEMBERS_MAX: usize = 10_000;
/// How files with material begin that are handed over by path.
const HANDED: &str = "delivery-";

/// A fleet as the policy means it, and what it takes to reach it.
pub struct Commanded {
    fleet: meant::Fleet,
    runner: Arc<Runner>,
    secrets: Arc<dyn Secrets>,
    scratch: PathBuf,
}

impl Commanded {
    /// A fleet whose commands `runner` runs, and whose members are asked with `secrets`. `scratch` is a folder of this project's own, made when it is needed, where
    /// material lies for as long as a command takes that is handed a path.
    #[must_use]
    pub fn new(fleet: meant::Fleet, runner: Arc<Runner>, secrets: Arc<dyn Secrets>, scratch: &Path) -> Self {
        Self { fleet, runner, secrets, scratch: scratch.to_owned() }
    }

    fn words(doing: &str, command: &meant::Command, facts: &Facts) -> Result<Vec<String>, Fault> {
        let filled: Result<Vec<String>, _> = command.iter().map(|word| facts.fill(word)).collect();
        filled.map_err(|missing| Fault::ask_operator(doing, missing))
    }

    fn must(&self, doing: &str, command: &meant::Command, facts: &Facts, within: Duration) -> Result<Ran, Fault> {
        self.runner.must(&Job::new(doing, Self::words(doing, command, facts)?, within))
    }

    /// What a command prints, line by line; an output that was cut is no answer.
    fn lines(&self, doing: &str, command: &meant::Command) -> Result<Vec<String>, Fault> {
        let ran = self.must(doing, command, &Facts::none(), WITHIN)?;
        if ran.cut {
            return Err(Fault::ask_operator(doing, "it printed more than is read"));
        }
        let text = String::from_utf8(ran.stdout).map_err(|_| Fault::ask_operator(doing, "it did not print text"))?;
        Ok(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
    }

    /// Members by name, each once; too few or too many are a fault.
    fn named(doing: &str, names: impl Iterator<Item = String>, at_least: u32) -> Result<Vec<Member>, Fault> {
        let mut members: Vec<Member> = Vec::new();
        let mut known = BTreeSet::new();
        for name in names {
            let member: Member = name.parse().map_err(|bad| {
                Fault::ask_operator(doing, format!("`{}` is no member's name: {bad}", printable(&name)))
            })?;
            if known.insert(member.clone()) {
                members.push(member);
            }
            if members.len() > MEMBERS_MAX {
                return Err(Fault::ask_operator(doing, format!("there are more than {MEMBERS_MAX}")));
            }
        }
        // An empty list must never open a gate.
        if members.len() < usize::try_from(at_least).unwrap_or(usize::MAX) {
            let why = format!("there are {}, and the policy says at least {at_least}", members.len());
            return Err(Fault::ask_operator(doing, why));
        }
        Ok(members)
    }

    fn hand_over(
        &self,
        doing: &str,
        deliver: &Deliver,
        facts: &Facts,
        material: Option<&Secret>,
    ) -> Result<Ran, Fault> {
        let words = |facts: &Facts| Self::words(doing, &deliver.command, facts);
        let job = |words| {
            let job = Job::new(doing, words, WITHIN);
            // Even a command that fetches the key itself may print it.
            if let Some(material) = material { job.hiding(material) } else { job }
        };
        let given = || material.ok_or_else(|| Fault::report_bug(doing, "there is no material to hand over"));
        match deliver.gives {
            Gives::Nothing => self.runner.must(&job(words(facts)?)),
            Gives::Stdin => self.runner.must(&job(words(facts)?).with_stdin(given()?)),
            Gives::Path => self.lend_path(given()?, |path| {
                let mut words = words(&facts.clone().with("path", path))?;
                if !deliver.command.iter().any(|word| word.asks_for("path")) {
                    words.push(path.to_owned());
                }
                self.runner.must(&job(words))
            }),
        }
    }

    /// A private file with the material, for as long as `use_it` takes. What a crash left of an earlier one goes first.
    fn lend_path<T>(&self, material: &Secret, use_it: impl FnOnce(&str) -> Result<T, Fault>) -> Result<T, Fault> {
        disk::make_folder(&self.scratch, disk::PRIVATE_FOLDER)?;
        let listing = fs::read_dir(&self.scratch)
            .map_err(|error| Fault::io(format!("list `{}`", self.scratch.display()), &error))?;
        for left in listing.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(HANDED)) {
            disk::shred(&left.path())?;
        }
        let path = self.scratch.join(format!("{HANDED}{}", hex::encode(random_array::<8>()?)));
        let path = std::path::absolute(&path).map_err(|error| Fault::io("find the scratch folder", &error))?;
        let shown = path
            .to_str()
            .ok_or_else(|| Fault::ask_operator("hand over a key", "the scratch folder's name is no text"))?;
        material.lend(|bytes| disk::create_new(&path, bytes, disk::PRIVATE_FILE))?;
        let used = use_it(shown);
        disk::shred(&path)?;
        used
    }

    /// What the delivery proved. What was printed is never shown: a command that prints the key instead would put it into the
    /// journal, and a key may look just like a digest.
    fn proven(doing: &str, ran: &Ran, facts: &Facts) -> Result<Fingerprint, Fault> {
        let wanted = facts.know("sha256").ok_or_else(|| Fault::report_bug(doing, "the version has no fingerprint"))?;
        let printed = ran.stdout.trim_ascii();
        if !printed.eq_ignore_ascii_case(wanted.as_bytes()) {
            return Err(Fault::ask_operator(doing, "what it printed is not the SHA-256 of the key that was delivered")
                .hint("it must print the SHA-256 of the key bytes that the member now holds, 64 hex digits, and nothing else"));
        }
        wanted.parse().map_err(|bad| Fault::report_bug(doing, bad))
    }
}

fn shown(facts: &Facts) -> String {
    facts.know("id").map(|id| printable(&id)).unwrap_or_default()
}

impl Fleet for Commanded {
    fn members(&self) -> Result<Vec<Member>, Fault> {
        let doing = "list the members";
        match &self.fleet.members {
            Members::Listed(members) => Ok(members.clone()),
            Members::FromCommand { command, at_least } => {
                Self::named(doing, self.lines(doing, command)?.into_iter(), *at_least)
            }
            Members::FromProof { at_least } => {
                let field = self.fleet.proof.as_ref().map(|proof| proof.member.as_str()).unwrap_or_default();
                let names = self.proofs()?;
                let names = names.iter().filter_map(|row| row.get(field)?.as_str().map(str::to_owned));
                Self::named(doing, names, *at_least)
            }
        }
    }

    fn deliver(&self, member: &Member, version: &Facts, material: Option<&Secret>) -> Result<Delivered, Fault> {
        let doing = format!("deliver version `{}` to `{member}`", shown(version));
        let Some(deliver) = &self.fleet.deliver else {
            return Err(Fault::report_bug(doing, "the fleet has no `deliver`"));
        };
        let facts = version.clone().with_member(member);
        let ran = self.hand_over(&doing, deliver, &facts, material)?;
        let proven = if deliver.proves { Some(Self::proven(&doing, &ran, version)?) } else { None };
        Ok(Delivered { proven })
    }

    fn withdraw(&self, member: &Member, version: &Facts) -> Result<(), Fault> {
        let doing = format!("take version `{}` from `{member}`", shown(version));
        let Some(command) = &self.fleet.withdraw else {
            return Err(Fault::report_bug(doing, "the fleet has no `withdraw`"));
        };
        self.must(&doing, command, &version.clone().with_member(member), WITHIN).map(|_| ())
    }

    fn restart(&self, member: Option<&Member>, version: &Facts) -> Result<(), Fault> {
        let doing = member.map_or_else(|| "restart the fleet".to_owned(), |member| format!("restart `{member}`"));
        let Some(restart) = &self.fleet.restart else {
            return Err(Fault::report_bug(doing, "the fleet has no `restart`"));
        };
        let facts = match (restart.how, member) {
            (RestartHow::Each, Some(member)) => version.clone().with_member(member),
            (RestartHow::All, None) => version.clone(),
            _ => return Err(Fault::report_bug(doing, "the fleet is not restarted so")),
        };
        let within = Duration::from_secs(restart.within.as_seconds().max(1));
        self.must(&doing, &restart.command, &facts, within).map(|_| ())
    }

    fn point(&self, member: &Member, version: &Facts) -> Result<(), Fault> {
        let doing = format!("point `{member}` at version `{}`", shown(version));
        let Some(pointer) = &self.fleet.point else {
            return Err(Fault::report_bug(doing, "the fleet has no `point`"));
        };
        let value = version.clone().with_member(member).fill(&pointer.is);
        let value = value.map_err(|missing| Fault::ask_operator(&doing, missing))?;
        point::write(self.runner.root(), pointer, member, &value, &doing)
    }

    fn pointed(&self, member: &Member) -> Result<Option<String>, Fault> {
        let doing = format!("read where `{member}` points");
        let Some(pointer) = &self.fleet.point else { return Ok(None) };
        point::read(self.runner.root(), pointer, member, &doing).map(Some)
    }

    fn proofs(&self) -> Result<Vec<Row>, Fault> {
        proof::read(self)
    }

    fn gone(&self, member: &Member) -> Result<bool, Fault> {
        let doing = format!("ask whether `{member}` is gone");
        let Some(command) = self.fleet.proof.as_ref().and_then(|proof| proof.gone.as_ref()) else { return Ok(false) };
        let words = Self::words(&doing, command, &Facts::none().with_member(member))?;
        let ran = self.runner.run(&Job::new(&doing, words, WITHIN))?;
        match ran.exit {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            // A command that could not find out is no evidence of anything.
            _ => Err(Fault::retry(&doing, format!("{}: {}", ran.ended(), crate::command::first_lines(&ran.stderr)))
                .hint("exit 0 means that it is gone for good, 1 that it is not")),
        }
    }
}
