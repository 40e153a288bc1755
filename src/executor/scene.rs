//! One step's surroundings: its key, the versions it is about, and what templates may ask for.

use crate::fault::Fault;
use crate::inventory::Able;
use crate::journal::Standing;
use crate::journal::StepName;
use crate::model::Act;
use crate::model::Fingerprint;
use crate::model::Hour;
use crate::model::Key;
use crate::model::KeyName;
use crate::model::Name;
use crate::model::VersionId;
use crate::model::Which;
use crate::plan::Part;
use crate::plan::Plan;
use crate::plan::Planned;
use crate::plan::Unit;
use crate::plan::step::Step;
use crate::policy::Policy;
use crate::policy::meant;
use crate::policy::meant::store::Place;
use crate::port::facts::Facts;
use crate::port::world::World;

/// One step's surroundings.
pub struct Scene<'a> {
    /// The step.
    pub step: &'a Step,
    /// The plan's part for its key.
    pub planned: &'a Planned,
    /// Its policy.
    pub policy: &'a Policy,
    /// What the policy says of its key.
    pub key: &'a meant::Key,
    /// The version that is left behind.
    pub old: Option<VersionId>,
    /// The versions that go out of use with it, oldest first, itself among them.
    pub falls: Vec<VersionId>,
    /// The version that is made or moved to, once it is known.
    pub new: Option<VersionId>,
    /// The key's versions as this run's acts have left them.
    pub expected: Key,
    /// When the step before it on this key was done.
    pub since: Hour,
    /// Whether the plan moves or counts the key's values, so that they can be looked at again.
    pub sees_values: bool,
    /// Whether members that hold one version take turns once values are moved: a span that must not be left halfway.
    pub spans: bool,
    /// Whether a service moves values of its own: then a closing round of ours looks and does not move those.
    pub by_service: bool,
}

impl<'a> Scene<'a> {
    /// The surroundings of a step.
    ///
    /// # Errors
    /// The plan does not carry what the step names: a bug.
    pub fn new(
        plan: &'a Plan,
        unit: &'a Unit,
        step: &'a Step,
        standing: &Standing,
        names: &[String],
        index: usize,
    ) -> Result<Self, Fault> {
        let missing = || Fault::report_bug("read a step of the plan", "the plan does not carry its key");
        let planned = unit.keys.get(step.key).ok_or_else(missing)?;
        let policy = plan.policies.iter().find(|policy| policy.name == *planned.name.policy()).ok_or_else(missing)?;
        let key = policy.keys.get(planned.name.key()).ok_or_else(missing)?;
        let new = match &planned.new {
            Which::New => standing.made(&planned.name).cloned(),
            Which::Id(id) => Some(id.clone()),
            Which::Nothing => None,
        };
        let mut expected = planned.base.key.clone();
        let mut since = standing.opened_at;
        for (at, name) in names.iter().enumerate() {
            let Ok(name) = name.parse::<StepName>() else { continue };
            let record = standing.step(&name);
            if let Some(done) = standing.done_at(&name).filter(|_| at < index) {
                since = since.max(done);
            }
            let ours = unit.steps.get(at).is_some_and(|other| other.key == step.key && touches_backend(other));
            for (_, change) in record.change.iter().filter(|(name, _)| ours && *name == planned.name) {
                expected = expected.after(change).unwrap_or(expected);
            }
        }
        let sees = |other: &Step| other.key == step.key && matches!(other.part, Part::Close | Part::Recount);
        let sees_values = unit.steps.iter().any(sees);
        let sweeps = |other: &Step| other.key == step.key && matches!(other.part, Part::Sweep { .. });
        let spans = unit.steps.iter().any(sweeps);
        let asks = |other: &Step| other.key == step.key && other.part == Part::Rewrap { service: true };
        let by_service = unit.steps.iter().any(asks);
        let (old, falls) = (planned.old.clone(), planned.falls());
        Ok(Self { step, planned, policy, key, old, falls, new, expected, since, sees_values, spans, by_service })
    }

    /// The key's whole name.
    #[must_use]
    pub fn name(&self) -> &KeyName {
        &self.planned.name
    }

    /// The new version.
    ///
    /// # Errors
    /// It was not made yet: a bug.
    pub fn new_version(&self) -> Result<&VersionId, Fault> {
        let why = "the new version is not known yet";
        self.new.as_ref().ok_or_else(|| Fault::report_bug(format!("go on with `{}`", self.name()), why))
    }

    /// The old version.
    ///
    /// # Errors
    /// There is none: a bug.
    pub fn old_version(&self) -> Result<&VersionId, Fault> {
        let why = "there is no old version";
        self.old.as_ref().ok_or_else(|| Fault::report_bug(format!("go on with `{}`", self.name()), why))
    }

    /// A fleet by its name.
    ///
    /// # Errors
    /// The plan does not carry it: a bug.
    pub fn fleet(&self, name: &Name) -> Result<&'a meant::Fleet, Fault> {
        let why = format!("the plan does not carry fleet `{name}`");
        self.policy.fleets.get(name).ok_or_else(|| Fault::report_bug("read a step of the plan", why))
    }

    /// A version's fingerprint, as far as it is known.
    #[must_use]
    pub fn fingerprint(&self, version: &VersionId) -> Option<&Fingerprint> {
        self.expected.version(version).and_then(|version| version.fingerprint.as_ref())
    }

    /// What templates may ask for, about one version.
    #[must_use]
    pub fn facts(&self, version: &VersionId) -> Facts {
        let facts = Facts::version(version, self.fingerprint(version)).with_since(self.since);
        let mut facts = facts.with("key", self.name().to_string());
        if let Some(old) = &self.old {
            facts = facts.with_version("old", old, self.fingerprint(old));
        }
        if let Some(new) = &self.new {
            facts = facts.with_version("new", new, self.fingerprint(new));
        }
        if let Some(current) = self.expected.current() {
            facts = facts.with_version("current", &current.id, current.fingerprint.as_ref());
        }
        match &self.key.each {
            Some(each) => facts.with("each", each.clone()),
            None => facts,
        }
    }

    /// What templates may ask for where no version is meant: the new one, or else the current one.
    #[must_use]
    pub fn plain_facts(&self) -> Facts {
        let version = self.new.clone().or_else(|| self.expected.current().map(|version| version.id.clone()));
        version.map_or_else(|| Facts::none().with_since(self.since), |version| self.facts(&version))
    }
}

/// Whether a step's change is one of the backend's own. The turn also says `switch` where it is a rewrap.
fn touches_backend(step: &Step) -> bool {
    matches!(step.part, Part::Add | Part::Enable | Part::Switch | Part::Retire | Part::Destroy)
}

/// Whether the world is the one that the plan was drawn for, and stands as the plan found it.
///
/// # Errors
/// Names what is not the same.
pub fn same_world(plan: &Plan, world: &dyn World) -> Result<(), Fault> {
    let mut differences = Vec::new();
    for planned in plan.units.iter().flat_map(|unit| &unit.keys) {
        let Some(key) = plan
            .policies
            .iter()
            .find(|p| p.name == *planned.name.policy())
            .and_then(|p| p.keys.get(planned.name.key()))
        else {
            continue;
        };
        let backend = world.backend(&planned.name, &key.backend)?;
        let here = backend.world()?;
        if here != planned.base.backend {
            differences.push(format!("`{}`: the backend is another one than the plan was drawn for", planned.name));
            continue;
        }
        let seen = backend.look(&key.at)?;
        let found = differ(&planned.base.able, &planned.base.key, &seen.key);
        differences.extend(found.into_iter().map(|text| format!("`{}`: {text}", planned.name)));
        let policy = plan.policies.iter().find(|policy| policy.name == *planned.name.policy());
        let seen = |name: &Name| policy.and_then(|p| p.stores.get(name)).is_some_and(|s| s.place != Place::Unseen);
        for (name, known) in planned.base.stores.iter().filter(|(name, _)| seen(name)) {
            let here = world.store(&planned.name, name)?.world()?;
            if here != *known {
                differences
                    .push(format!("`{}`: store `{name}` is another one than the plan was drawn for", planned.name));
            }
        }
    }
    if differences.is_empty() {
        return Ok(());
    }
    let fault =
        Fault::give_up("open this plan", format!("the world is not as it found it: {}", differences.join("; ")));
    Err(fault.hint("nothing was changed; draw a new plan with `keyrota plan -o FILE`"))
}

/// Whether every backend may do what it will be asked to: found out before the first act.
///
/// # Errors
/// Names what stands in the way, and the way out.
pub fn fit(plan: &Plan, world: &dyn World) -> Result<(), Fault> {
    for (unit, at, planned) in
        plan.units.iter().flat_map(|unit| unit.keys.iter().enumerate().map(move |(at, key)| (unit, at, key)))
    {
        let policy = plan.policies.iter().find(|policy| policy.name == *planned.name.policy());
        if let Some(key) = policy.and_then(|policy| policy.keys.get(planned.name.key())) {
            let backend = world.backend(&planned.name, &key.backend)?;
            let mut acts: Vec<Act> =
                unit.steps.iter().filter(|step| step.key == at).map(|step| step.part.act()).collect();
            // Who gives a run up before its turn takes the new version away again.
            acts.extend(acts.contains(&Act::Add).then_some(Act::Discard).filter(|_| !backend.able().promotes));
            backend.fit(&key.at, &acts)?;
        }
    }
    Ok(())
}

/// What is not the same about two keys, in words, as far as a backend that can do this much shows it.
#[must_use]
pub fn differ(able: &Able, expected: &Key, seen: &Key) -> Vec<String> {
    let mut differences = Vec::new();
    for version in &expected.versions {
        match seen.version(&version.id) {
            None if able.may_show(version.state, None) => {}
            None => differences.push(format!("version `{}` is gone", version.id)),
            Some(other) => {
                if !able.may_show(version.state, Some(other.state)) {
                    differences.push(format!("version `{}` is {} and was {}", version.id, other.state, version.state));
                }
                if other.fingerprint != version.fingerprint && version.fingerprint.is_some() {
                    differences.push(format!("the material of version `{}` is another", version.id));
                }
            }
        }
    }
    let new = seen.versions.iter().filter(|version| expected.version(&version.id).is_none());
    differences.extend(new.map(|version| format!("version `{}` appeared ({})", version.id, version.state)));
    differences
}
