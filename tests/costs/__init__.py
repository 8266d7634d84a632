"""Tests of cost: what an event or a rules file contains costs no more than its size allows."""
