"""The playground's tasks: examples that Python and the page draw alike.

They are those of the chapters: two look-ups (5), the sentence (2), marked recall (7),
three back (4, in depth) and parity (7).
"""

from typing import NamedTuple

import numpy as np

from attnlib.widgets._random import uniforms

NOTHING = -1  # no row of the table of tokens


def _words(text):
    return text.split()


ANIMALS = _words("animal dog cat horse cow sheep goat fox bear rabbit hen pig")
PLACES = _words("street road river bridge field lake canyon park hill beach path yard")
TIRED = _words("tired hungry scared sleepy weak ill thirsty nervous")
WIDE = _words("wide deep muddy steep crowded icy flooded narrow")
VERBS = _words("cross enter reach explore visit leave")
DONE = _words("crossed entered reached explored visited left")
ADVERBS = _words("yesterday today again once later")
REST = _words("the didn't wasn't by because it was too")
WORDS = [*ANIMALS, *PLACES, *TIRED, *WIDE, *VERBS, *DONE, *ADVERBS, *REST]


class Example(NamedTuple):
    """Tokens (n, 2): rows of the table, whose sum is the token; NOTHING is no row.

    From place `start` on, each place answers with a class for each slot: `answers`
    (places * slots,). Of the sentence, one answer: the place to point at.
    """

    tokens: np.ndarray
    start: int
    answers: np.ndarray


class Task(NamedTuple):
    """Rows of the table, uniform numbers that an example takes, slots and classes.

    classes 0: the weights themselves are the answer. unseen: rows that the queries and
    keys of the first layer do not see.
    """

    rows: int
    drawn: int
    slots: int
    classes: int
    draw: object
    unseen: tuple = (0, 0)


def _alone(rows):
    rows = np.asarray(rows)
    return np.stack([rows, np.full_like(rows, NOTHING)], axis=-1)


def two_look_ups(u, held_out=False):
    """12 of 24 names, each with one of 8 values; then two names, in this order."""
    names = np.argsort(u[:24], kind="stable")[:12]
    values = np.floor(8 * u[24:36]).astype(int)
    first = int(12 * u[36])
    asked = [first, (first + 1 + int(11 * u[37])) % 12]
    question = [[32 + names[asked[0]], 56 + names[asked[1]]]]
    pairs = np.stack([names, 24 + values], axis=-1)
    return Example(np.concatenate([pairs, question]), 12, values[asked])


def the_sentence(u, held_out=False):
    """Two nouns, "it", an adjective that fits one of them; a quarter is held out."""
    animal, place, means_place = int(12 * u[0]), int(12 * u[1]), int(u[2] >= 0.5)
    own, other = 2 * ((animal, place)[means_place] % 4), int(6 * u[3])
    seen = other if other < own else other + 2
    adjective = (TIRED, WIDE)[means_place][own + int(2 * u[3]) if held_out else seen]
    nouns, verb, adverb = (ANIMALS[animal], PLACES[place]), int(6 * u[4]), int(6 * u[6])
    if u[5] < 0.5:
        middle = [nouns[1], "wasn't", DONE[verb], "by", "the", nouns[0]]
    else:
        middle = [nouns[0], "didn't", VERBS[verb], "the", nouns[1]]
    words = [*["", *ADVERBS][adverb : adverb + 1], "the", *middle]
    words = [w for w in [*words, "because", "it", "was", "too", adjective] if w]
    answer = words.index(nouns[means_place])
    rows = _alone([WORDS.index(word) for word in words])
    return Example(rows, words.index("it"), np.array([answer]))


def marked_recall(u, held_out=False):
    """32 symbols out of 16, one with a mark: which? Rows from 16 on are marked."""
    symbols, where = np.floor(16 * u[:32]).astype(int), int(32 * u[32])
    marked = symbols + 16 * (np.arange(32) == where)
    return Example(_alone(marked), 31, symbols[where : where + 1])


def three_back(u, held_out=False):
    """16 symbols out of 16; each place answers with the symbol three places before."""
    symbols = np.floor(16 * u).astype(int)
    return Example(_alone(symbols), 3, symbols[:-3])


def parity(u, held_out=False):
    """8 bits; each place says whether the ones so far are odd."""
    bits = np.floor(2 * u).astype(int)
    return Example(_alone(bits), 0, bits.cumsum() % 2)


TASKS = {
    "two look-ups": Task(80, 38, 2, 8, two_look_ups, unseen=(24, 32)),
    "the sentence": Task(len(WORDS), 7, 1, 0, the_sentence),
    "marked recall": Task(32, 33, 1, 16, marked_recall),
    "three back": Task(16, 16, 1, 16, three_back),
    "parity": Task(2, 8, 1, 2, parity),
}
LOW = 0xFFFFFFFF


def stream(seed, number):
    """Return the seed of one stream of a run: 0 is its start, 1 the first batch."""
    return ((seed + 1) * 0x9E3779B1 ^ (number + 1) * 0x85EBCA6B) & LOW


def draw(task, seed, number, size, held_out=False):
    """Return `size` examples: batch `number` of this seed."""
    one = TASKS[task]
    drawn = uniforms(stream(seed, number), size * one.drawn).reshape(size, one.drawn)
    return [one.draw(u, held_out) for u in drawn]
