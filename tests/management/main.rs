//! The management plane: the same tests on every plane.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod accounts;
mod attacks;
mod backup;
mod bootstrap;
mod controllers;
mod directory;
mod election;
mod folder;
mod groups;
mod install;
mod local;
mod plane;
mod policies;
mod scene;
mod server;
mod webhook;
mod webhooks;

/// Makes a test of each function for one plane.
macro_rules! on {
    ($plane:ident, $house:ident: $($room:ident::$test:ident),* $(,)?) => {
        mod $house {
            $(
                #[tokio::test]
                async fn $test() {
                    crate::$room::$test(&crate::plane::Plane::$plane().await).await;
                }
            )*
        }
    };
}

/// Makes a test of each function for each plane.
macro_rules! on_every_plane {
    ($($tests:tt)*) => {
        on!(kubernetes, on_kubernetes: $($tests)*);
        on!(embedded, on_embedded: $($tests)*);
    };
}

on_every_plane!(
    controllers::a_failed_object_is_tried_again_and_its_finalizer_is_done_for_it,
    controllers::a_cluster_gets_a_namespace_that_goes_with_it_and_its_bindings,
    controllers::a_user_takes_its_tokens_and_bindings_along,
    directory::a_change_in_the_plane_is_a_change_of_the_world,
    election::one_leads_and_the_next_takes_over_at_once_when_it_stops,
    folder::manifests_are_applied_and_pruned_with_their_files,
    folder::a_pruned_object_that_others_own_too_loses_the_folders_fields_only,
    groups::a_membership_holds_as_long_as_its_objects_say_so,
    groups::a_group_takes_its_memberships_and_bindings_along,
    install::the_kinds_are_served_with_their_columns_and_strict_fields,
    install::another_ones_kinds_are_refused_and_left_alone,
    install::a_part_of_drover_may_do_no_more_than_its_rules_say,
    bootstrap::the_first_administrator_is_made_once_and_whole,
);

// A plane in this process is never out of reach.
on!(
    kubernetes, on_kubernetes_alone:
    directory::the_world_outlives_a_restart_of_the_plane_and_misses_nothing,
    election::a_leader_that_is_cut_off_stops_before_the_next_one_starts,
);
