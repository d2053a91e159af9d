"""Tests that plain ``pytest`` leaves to ``pytest --slow``, beside those that are marked: each takes seconds.

Times were measured with all tests in one process (user and system time, children included). A test is listed here if
one call takes more than 2.4 s, or all of its calls together more than 4.5 s.
"""

from __future__ import annotations

SLOW = frozenset(
    {
        "test_a_branch_that_is_made_begins_as_the_main_one_is",
        "test_a_crowd_that_looks_alike_is_one_and_costs_no_square",
        "test_a_file_that_a_visitor_names_is_never_opened",
        "test_a_fuller_push_then_a_smaller_one_removes_what_is_stale_and_leaves_the_users_files",
        "test_a_hub_that_refuses_is_told_in_a_sentence",
        "test_a_hub_that_refuses_to_say_what_it_has",
        "test_a_line_that_breaks_now_and_then",
        "test_a_manifest_that_is_none",
        "test_a_manifest_that_somebody_else_wrote_hides_nothing",
        "test_a_second_push_sends_nothing_and_makes_no_commit",
        "test_a_writer_that_stumbles_fails_its_source_and_the_others_are_built",
        "test_an_index_that_leads_out_of_the_set",
        "test_each_value_of_a_manifest_may_be_anything",
        "test_each_value_of_a_split_file_may_be_anything",
        "test_every_card_is_one_of_the_hubs",
        "test_every_configuration_holds_its_records",
        "test_every_kind_of_experiment_on_every_triplet_of_the_miniatures",
        "test_every_miniature_is_found_complete_and_its_command_builds_it",
        "test_from_the_hub_to_the_same_bytes",
        "test_how_hashes_are_cut_into_blocks_and_the_number_of_threads_change_nothing",
        "test_killed_at_random_points_and_resumed_nothing_is_sent_twice",
        "test_load_dataset_gives_a_subset_and_fetches_its_files_alone",
        "test_mlcroissant_reads_every_record_as_load_dataset_does",
        "test_no_byte_and_no_cell_of_the_repository_holds_the_number_of_a_patient",
        "test_no_hostile_folder_stops_a_build_or_unbalances_its_ledger",
        "test_no_name_of_any_source_goes",
        "test_no_pair_up_to_the_threshold_is_missed_and_none_beyond_it_found",
        "test_no_space_for_a_file_and_then_there_is",
        "test_nothing_that_pillow_warns_of_reaches_the_terminal",
        "test_opening_two_million_records",
        "test_pixels_and_names_that_go_are_told",
        "test_selections_hold_no_pixels_in_memory",
        "test_source_110_is_listed_shown_and_built",
        "test_streaming_from_load_dataset",
        "test_the_command_measures_a_build",
        "test_the_same_folder_gives_the_same_lines_whatever_the_order_of_sets",
        "test_the_storage_refuses_and_its_signed_address_is_not_shown",
        "test_two_builds_that_start_at_once_leave_one_whole_build",
        "test_two_readers_open_a_med_mat_beside_builds",
        "test_what_a_repository_holds_and_may_not_is_told_with_the_way_to_be_rid_of_it",
        "test_workers_and_order_change_no_byte",
    }
)
