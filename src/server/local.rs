//! The embedded management plane as cluster `local`: requests run on the control runtime, their answers are read where they are asked
//! for. Its token reviews know Drover's tokens, and the gateway knows the tokens of its service accounts.

use std::{fmt, sync::Arc, time::Duration};

use apiserver::{Caller, Server, Tokens};
use futures_util::future::BoxFuture;
use http::{Request, Response};
use jiff::Timestamp;
use moka::sync::Cache;
use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;

use crate::{
    cluster::{self, BoxError, InProcess, InProcessBody, RequestBody, SendError},
    gateway::guard,
    identity::{Accounts, Identity, Presented, ServiceAccount},
    world::{TokenHash, Watch, names::LOCAL, rows::UserRow},
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
                Ok(mut response) => {
                    let extensions = response.extensions_mut();
                    if let Some(apiserver::AuditAnnotations(said)) = extensions.remove() {
                        extensions.insert(cluster::AuditAnnotations(said));
                    }
                    Ok(response.map(|body| Box::pin(body) as InProcessBody))
                }
                Err(error) => Err(SendError::Broken(BoxError::from(error))),
            }
        })
    }
}

fn known(caller: &cluster::Caller) -> Caller {
    let mut groups = caller.groups.clone();
    if !groups.iter().any(|group| group == AUTHENTICATED) {
        groups.push(AUTHENTICATED.to_owned());
    }
    Caller {
        user: caller.user.clone(),
        uid: caller.uid.clone().unwrap_or_default(),
        groups,
        extra: caller.extra.clone(),
    }
}

/// How many service accounts are remembered at most, and for how long after their last request.
const REMEMBERED: u64 = 10_000;
const REMEMBERED_FOR: Duration = Duration::from_mins(10);

/// The service accounts of the embedded plane, as the gateway asks for them.
pub struct LocalAccounts {
    server: Server,
    /// By name and UID: requests of one account share its row, and so its limits. Whether there is such an account is asked anew
    /// with each request.
    rows: Cache<(String, String), Arc<UserRow>>,
}

impl LocalAccounts {
    /// Those that `server` issues tokens for.
    pub fn new(server: Server) -> Self {
        let rows = Cache::builder().max_capacity(REMEMBERED).time_to_idle(REMEMBERED_FOR).build();
        Self { server, rows }
    }
}

impl fmt::Debug for LocalAccounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalAccounts").finish_non_exhaustive()
    }
}

impl Accounts for LocalAccounts {
    fn cluster(&self) -> &str {
        LOCAL
    }

    fn of_token(&self, token: &str) -> Option<Arc<ServiceAccount>> {
        let proved = self.server.service_account(token)?;
        let Caller { user, uid, groups, extra } = proved.caller().clone();
        let row = self.rows.get_with((user.clone(), uid.clone()), || Arc::new(ServiceAccount::row(&user, &uid)));
        let server = self.server.clone();
        Some(Arc::new(ServiceAccount {
            cluster: LOCAL.into(),
            user: row,
            groups: groups.into_iter().map(Into::into).collect(),
            extra,
            hash: TokenHash::of(token),
            expires_at: proved.expires_at(),
            holds: Box::new(move || server.holds(&proved)),
        }))
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
        let granted = guard::grant(&identity, row, &world).ok()?;
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
