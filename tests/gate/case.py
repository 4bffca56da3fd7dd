"""What the gate's tests begin with: a gate that knows its workspace, in front of a fake app."""
import os
import unittest

import app as fake
from gate import Gate, scratch


class GateCase(unittest.TestCase):
    worker = ""  # the program under test

    def setUp(self):
        self.dir = scratch()
        path = os.path.join(self.dir.name, "app.sock")
        self.app = fake.App(path)
        self.gate = Gate(self.worker, path)
        self.gate.config()

    def tearDown(self):
        self.gate.close()
        self.app.die()
        self.dir.cleanup()
