//! A request that both servers get, and how a list of them is written down.

use serde_json::Value;

/// Who asks.
#[derive(Clone, Debug)]
pub struct Who {
    pub user: String,
    pub groups: Vec<String>,
    /// Whether it is the administrator whose credential the real server knows; all others are impersonated.
    pub admin: bool,
}

impl Who {
    pub fn admin() -> Self {
        Self { user: "kit-admin".into(), groups: vec!["system:masters".into()], admin: true }
    }

    pub fn user(user: &str, groups: &[&str]) -> Self {
        Self { user: user.into(), groups: groups.iter().map(|&group| group.into()).collect(), admin: false }
    }
}

/// What of an answer is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Look {
    /// All of it.
    #[default]
    Whole,
    /// Only what concerns the groups and resources that the embedded server has: for discovery.
    Served,
    /// Code, headers and, of a list, only that it is one: for lists of what each server has of its own.
    Envelope,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Ask {
    /// What stands in the lists: `<area>/<slug>`.
    pub key: String,
    pub who: Who,
    pub method: &'static str,
    /// Path and query; `${x.rv}`, `${x.uid}` and `${x.continue}` stand for what the answer saved as `x` had.
    pub target: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Body,
    /// Keeps the answer's version, uid and continue token under this name.
    pub save: Option<String>,
    pub look: Look,
}

#[derive(Clone, Debug)]
pub enum Body {
    None,
    /// Text, in which the same is replaced as in the target.
    Text(String),
    Bytes(Vec<u8>),
}

impl Ask {
    /// A request of the administrator.
    fn new(key: String, method: &'static str, target: &str) -> Self {
        Self {
            key,
            who: Who::admin(),
            method,
            target: target.to_owned(),
            headers: Vec::new(),
            body: Body::None,
            save: None,
            look: Look::Whole,
        }
    }

    pub fn get(key: &str, target: &str) -> Self {
        Self::new(key.to_owned(), "GET", target)
    }

    /// Sends JSON, as `application/json` unless [`Self::content`] says otherwise.
    pub fn json(&mut self, body: &Value) -> &mut Self {
        self.text(&body.to_string())
    }

    pub fn text(&mut self, body: &str) -> &mut Self {
        self.body = Body::Text(body.to_owned());
        if !self.headers.iter().any(|(name, _)| *name == "content-type") {
            self.content("application/json");
        }
        self
    }

    pub fn bytes(&mut self, body: &[u8]) -> &mut Self {
        self.body = Body::Bytes(body.to_vec());
        if !self.headers.iter().any(|(name, _)| *name == "content-type") {
            self.content("application/json");
        }
        self
    }

    pub fn content(&mut self, media: &str) -> &mut Self {
        self.header("content-type", media)
    }

    pub fn accept(&mut self, media: &str) -> &mut Self {
        self.header("accept", media)
    }

    /// Sets a header; an empty value takes it away.
    pub fn header(&mut self, name: &'static str, value: &str) -> &mut Self {
        self.headers.retain(|(known, _)| *known != name);
        if !value.is_empty() {
            self.headers.push((name, value.to_owned()));
        }
        self
    }

    pub fn by(&mut self, who: Who) -> &mut Self {
        self.who = who;
        self
    }

    pub fn save(&mut self, name: &str) -> &mut Self {
        self.save = Some(name.to_owned());
        self
    }

    pub fn look(&mut self, look: Look) -> &mut Self {
        self.look = look;
        self
    }
}

/// A step of the list: one request, or some that are under way at the same time.
pub enum Step {
    One(Ask),
    Together(Vec<Ask>),
    /// Goes on when both servers answer this with this code, and with a body that has this text.
    Until(Ask, u16, &'static str),
}

/// All requests, in order.
#[derive(Default)]
pub struct Plan {
    pub steps: Vec<Step>,
    area: String,
    together: Option<Vec<Ask>>,
}

impl Plan {
    /// What follows belongs to this area.
    pub fn area(&mut self, area: &str) {
        area.clone_into(&mut self.area);
    }

    /// One more request, made by the administrator.
    pub fn ask(&mut self, slug: &str, method: &'static str, target: &str) -> &mut Ask {
        let ask = Ask::new(format!("{}/{slug}", self.area), method, target);
        if let Some(together) = &mut self.together {
            together.push(ask);
            return together.last_mut().unwrap();
        }
        self.steps.push(Step::One(ask));
        match self.steps.last_mut().unwrap() {
            Step::One(ask) => ask,
            _ => unreachable!("one was just added"),
        }
    }

    pub fn get(&mut self, slug: &str, target: &str) -> &mut Ask {
        self.ask(slug, "GET", target)
    }

    pub fn post(&mut self, slug: &str, target: &str, body: &Value) -> &mut Ask {
        self.ask(slug, "POST", target).json(body)
    }

    pub fn put(&mut self, slug: &str, target: &str, body: &Value) -> &mut Ask {
        self.ask(slug, "PUT", target).json(body)
    }

    pub fn delete(&mut self, slug: &str, target: &str) -> &mut Ask {
        self.ask(slug, "DELETE", target)
    }

    pub fn json_patch(&mut self, slug: &str, target: &str, body: &Value) -> &mut Ask {
        self.ask(slug, "PATCH", target).content("application/json-patch+json").json(body)
    }

    pub fn merge(&mut self, slug: &str, target: &str, body: &Value) -> &mut Ask {
        self.ask(slug, "PATCH", target).content("application/merge-patch+json").json(body)
    }

    pub fn strategic(&mut self, slug: &str, target: &str, body: &Value) -> &mut Ask {
        self.ask(slug, "PATCH", target).content("application/strategic-merge-patch+json").json(body)
    }

    pub fn apply(&mut self, slug: &str, target: &str, body: &Value) -> &mut Ask {
        self.ask(slug, "PATCH", target).content("application/apply-patch+yaml").json(body)
    }

    /// Waits until both servers answer `target` with `code`.
    pub fn until(&mut self, target: &str, code: u16) {
        self.until_by(Who::admin(), target, code);
    }

    /// The same, of somebody.
    pub fn until_by(&mut self, who: Who, target: &str, code: u16) {
        let mut ask = Ask::get("until", target);
        ask.by(who);
        self.steps.push(Step::Until(ask, code, ""));
    }

    /// Waits until both servers answer `target` with a body that has this text.
    pub fn until_text(&mut self, target: &str, text: &'static str) {
        self.steps.push(Step::Until(Ask::get("until", target), 200, text));
    }

    /// The requests that `add` adds are under way at the same time: for watches, which take their time.
    pub fn together(&mut self, add: impl FnOnce(&mut Self)) {
        self.together = Some(Vec::new());
        add(self);
        let asks = self.together.take().unwrap_or_default();
        self.steps.push(Step::Together(asks));
    }
}
