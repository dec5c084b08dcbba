//! Sign-in of people, on the running gateway: pages, sessions, tokens, and attacks on them. Each attack names the case it answers, such
//! as T5 or H14.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod bearer;
mod browser;
mod commands;
mod ends;
mod guessing;
mod origins;
mod scene;
mod secrets;
mod sessions;
mod tokens;

/// Makes a test of each function for each plane.
macro_rules! on_every_plane {
    ($($room:ident::$test:ident),* $(,)?) => {
        mod on_embedded {
            $(
                #[tokio::test]
                async fn $test() {
                    crate::$room::$test(crate::scene::Scene::start().await).await;
                }
            )*
        }
        mod on_kubernetes {
            $(
                #[tokio::test]
                async fn $test() {
                    crate::$room::$test(crate::scene::Scene::on_kubernetes().await).await;
                }
            )*
        }
    };
}

on_every_plane!(
    sessions::a_local_password_gives_a_session_that_works_in_the_clusters,
    sessions::signing_out_ends_the_session_and_not_only_the_cookie,
    ends::a_disabled_user_loses_session_and_streams,
);
