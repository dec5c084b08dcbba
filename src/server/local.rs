//! The embedded management plane as cluster `local`: requests run on the control runtime, their answers are read where they are asked
//! for. Its token reviews know Drover's tokens.

use std::sync::Arc;

use apiserver::{Caller, Server, Tokens};
use futures_util::future::BoxFuture;
use http::{Request, Response};
use jiff::Timestamp;
use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;

use crate::{
    cluster::{self, BoxError, InProcess, InProcessBody, RequestBody, SendError},
    gateway::guard,
    identity::{Identity, Presented},
    world::{TokenHash, Watch, names::LOCAL},
};

/// Every caller that is known is in it.
const AUTHENTICATED: &str = "system:authenticated";
/// What a token of Drover's is good for: the API that reviews it.
const AUDIENCE: &str = "https://kubernetes.default.svc";

/// The embedded API server as the gateway calls it.
pub struct Local {
    server: Server,
    control: Handle,
}

impl Local {
    /// Its requests run on `control`.
    pub const fn new(server: Server, control: Handle) -> Self {
        Self { server, control }
    }
}

impl InProcess for Local {
    fn call(
        &self,
        mut request: Request<RequestBody>,
    ) -> BoxFuture<'static, Result<Response<InProcessBody>, SendError>> {
        // Whom the gateway decided, and nobody else: no header is read.
        if let Some(caller) = request.extensions_mut().remove::<Arc<cluster::Caller>>() {
            request.extensions_mut().insert(Arc::new(known(&caller)));
        }
        let answer = AbortOnDropHandle::new(self.control.spawn(self.server.call(request)));
        Box::pin(async move {
            match answer.await {
                Ok(response) => Ok(response.map(|body| Box::pin(body) as InProcessBody)),
                Err(error) => Err(SendError::Broken(BoxError::from(error))),
            }
        })
    }
}

fn known(caller: &cluster::Caller) -> Caller {
    let mut groups = caller.groups.clone();
    groups.push(AUTHENTICATED.to_owned());
    Caller {
        user: caller.user.clone(),
        uid: caller.uid.clone().unwrap_or_default(),
        groups,
        extra: caller.extra.clone(),
    }
}

/// Answers token reviews by the world.
pub struct DroverTokens {
    world: Watch,
}

impl DroverTokens {
    /// By what `world` knows.
    pub const fn new(world: Watch) -> Self {
        Self { world }
    }
}

impl Tokens for DroverTokens {
    fn owner(&self, token: &str, audiences: &[String]) -> Option<(Caller, Vec<String>)> {
        if !audiences.is_empty() && !audiences.iter().any(|audience| audience == AUDIENCE) {
            return None;
        }
        let world = self.world.load();
        let identity = Identity::of(&Presented::Token(TokenHash::of(token)), &world, Timestamp::now()).ok()?;
        // As the gateway would let the token in.
        let row = guard::admit(&identity, LOCAL, &world).ok()?;
        let granted = guard::grant(&identity, row).ok()?;
        let mut groups: Vec<String> = granted.groups.iter().map(ToString::to_string).collect();
        groups.push(AUTHENTICATED.to_owned());
        let owner = Caller {
            user: identity.user.name.to_string(),
            uid: identity.user.uid.as_deref().unwrap_or_default().to_owned(),
            groups,
            ..Caller::default()
        };
        Some((owner, vec![AUDIENCE.to_owned()]))
    }
}
