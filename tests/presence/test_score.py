#!/usr/bin/env python3
"""The scorer, on timelines small enough to be judged by hand."""
import unittest

from score import JOB_BOUND_MS, MARK_SLACK_MS, Truth, score, truth_of

MIN = 60 * 1000
LIMIT = 30 * MIN
HOUR = 60 * MIN


class FalseStops(unittest.TestCase):
    def test_stop_after_the_limit_is_right(self):
        s = score(Truth(60 * MIN, [MIN]), [(31 * MIN, None)], LIMIT)
        self.assertEqual((s.false_stops, s.wasted_minutes), (0, 0))
        self.assertFalse(s.bad())

    def test_stop_within_the_limit_is_false(self):
        s = score(Truth(60 * MIN, [MIN, 10 * MIN]), [(31 * MIN, None)], LIMIT)
        self.assertEqual(s.false_stops, 1)
        self.assertIn("21:00 min after a person's act", s.why[0])
        self.assertTrue(s.bad())

    def test_a_mark_may_be_late_by_the_slack_and_no_more(self):
        truth = Truth(60 * MIN, [MIN])
        self.assertEqual(score(truth, [(31 * MIN - MARK_SLACK_MS, None)], LIMIT).false_stops, 0)
        self.assertEqual(score(truth, [(31 * MIN - MARK_SLACK_MS - 1, None)], LIMIT).false_stops, 1)

    def test_the_claim_is_an_act(self):
        self.assertEqual(score(Truth(60 * MIN, []), [(10 * MIN, None)], LIMIT).false_stops, 1)
        self.assertEqual(score(Truth(60 * MIN, []), [(30 * MIN, None)], LIMIT).false_stops, 0)

    def test_an_act_just_behind_the_stop_accuses_nobody(self):
        s = score(Truth(60 * MIN, [MIN, 31 * MIN + 1]), [(31 * MIN, 31 * MIN + 1)], LIMIT)
        self.assertEqual(s.false_stops, 0)

    def test_each_stop_counts(self):
        truth = Truth(60 * MIN, [MIN, 20 * MIN, 50 * MIN])
        self.assertEqual(score(truth, [(21 * MIN, 50 * MIN), (55 * MIN, None)], LIMIT).false_stops, 2)


class Wasted(unittest.TestCase):
    def test_alive_to_the_end(self):
        s = score(Truth(8 * HOUR, [MIN]), [], LIMIT)
        self.assertAlmostEqual(s.wasted_minutes, 8 * 60 - 31)
        self.assertEqual(s.false_stops, 0)
        self.assertTrue(s.bad())

    def test_a_late_stop(self):
        s = score(Truth(HOUR, [MIN]), [(34 * MIN, None)], LIMIT)
        self.assertAlmostEqual(s.wasted_minutes, 3)
        self.assertTrue(s.bad())

    def test_a_gap_between_two_acts_counts_too(self):
        s = score(Truth(HOUR, [0, 40 * MIN]), [], LIMIT)
        self.assertAlmostEqual(s.wasted_minutes, 10)

    def test_stopped_time_is_not_wasted(self):
        s = score(Truth(2 * HOUR, [0, 50 * MIN]), [(30 * MIN, 50 * MIN), (81 * MIN, None)], LIMIT)
        self.assertAlmostEqual(s.wasted_minutes, 1)
        self.assertEqual(s.false_stops, 0)

    def test_a_recording_shorter_than_the_limit_shows_nothing(self):
        s = score(Truth(20 * MIN, [0]), [], LIMIT)
        self.assertEqual((s.false_stops, s.wasted_minutes), (0, 0))


class Jobs(unittest.TestCase):
    def test_held_by_a_job_is_not_wasted(self):
        s = score(Truth(2 * HOUR, [0], [(MIN, 50 * MIN)]), [(51 * MIN, None)], LIMIT)
        self.assertEqual((s.false_stops, s.wasted_minutes), (0, 0))
        self.assertAlmostEqual(s.job_minutes, 21)

    def test_after_the_job_there_is_the_linger_and_no_more(self):
        s = score(Truth(2 * HOUR, [0], [(MIN, 50 * MIN)]), [(55 * MIN, None)], LIMIT)
        self.assertAlmostEqual(s.wasted_minutes, 3)
        self.assertAlmostEqual(s.job_minutes, 22)

    def test_a_stop_while_a_job_runs_is_false(self):
        s = score(Truth(2 * HOUR, [0], [(MIN, 50 * MIN)]), [(40 * MIN, None)], LIMIT)
        self.assertEqual(s.false_stops, 1)
        self.assertIn("while a job ran", s.why[0])

    def test_beyond_its_bound_a_job_holds_nothing(self):
        truth = Truth(8 * HOUR, [0], [(MIN, None)])
        self.assertEqual(score(truth, [(2 * HOUR, None)], LIMIT).false_stops, 0)
        self.assertEqual(score(truth, [(2 * HOUR - MIN, None)], LIMIT).false_stops, 1)
        self.assertAlmostEqual(score(truth, [(3 * HOUR, None)], LIMIT).wasted_minutes, 60)
        self.assertAlmostEqual(score(truth, [(3 * HOUR, None)], LIMIT).job_minutes, 90)
        self.assertEqual(JOB_BOUND_MS, 2 * HOUR)

    def test_two_jobs_at_a_time_count_once(self):
        s = score(Truth(2 * HOUR, [0], [(MIN, 50 * MIN), (MIN, 45 * MIN)]), [(50 * MIN, None)], LIMIT)
        self.assertAlmostEqual(s.job_minutes, 20)
        self.assertEqual(s.wasted_minutes, 0)

    def test_what_only_looks_like_a_job_is_wasted(self):
        s = score(Truth(2 * HOUR, [0]), [(90 * MIN, None)], LIMIT)
        self.assertAlmostEqual(s.wasted_minutes, 60)
        self.assertEqual(s.job_minutes, 0)


class Marks(unittest.TestCase):
    def test_truth_of_marks(self):
        marks = [(1, "act", "types"), (2, "job", "build"), (3, "phase", "x"), (4, "job", "test"), (5, "job_end", "build"),
                 (6, "act", "types")]
        truth = truth_of([{"t": t, "e": "mark", "k": k, "note": n} for t, k, n in marks] + [{"t": 7, "e": "up"}], 10)
        self.assertEqual(truth.acts, [0, 1, 6])
        self.assertEqual(truth.jobs, [(2, 5), (4, 10)])

    def test_an_end_by_another_name_ends_the_last(self):
        truth = truth_of([{"t": 2, "e": "mark", "k": "job", "note": "a"}, {"t": 5, "e": "mark", "k": "job_end"}], 10)
        self.assertEqual(truth.jobs, [(2, 5)])


if __name__ == "__main__":
    unittest.main()
