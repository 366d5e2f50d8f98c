"""Byte-level BPE: text to tokens and back, as GPT-2 and SmolLM cut it.

Text becomes bytes, each byte one printable sign; words are cut into single signs, and
the pair of neighbours that the merges list first is joined, again and again.

Sources: Sennrich et al. 2016, https://arxiv.org/abs/1508.07909 (BPE); the byte table
and the cut into words are those of GPT-2.
"""

import codecs
import functools
import itertools
import re
import typing
import unicodedata

# Letters or other signs with the space before them, a digit alone, or spaces; the last
# of several spaces goes with the word behind.
WORD = re.compile(r" ?L+|N| ?O+|[ S]+(?![LO])|[ S]+")
SHORT = re.compile("'(?:s|t|re|ve|m|ll|d)")


class BPE(typing.NamedTuple):
    """What a tokenizer has learned.

    tokens: each token, by its number; numbers: the way back; ranks: pair of tokens →
    its place among the merges; special: tokens that a text holds as they are, such as
    <|im_end|>.
    """

    tokens: list
    numbers: dict
    ranks: dict
    special: frozenset

    def encode(self, text, *, special=True):
        """Cut text into tokens, given by their numbers: a list of int.

        special=False reads <|im_end|> and its like as plain text: for texts of others.
        """
        parts = [text]
        if special and self.special:
            longest = sorted(self.special, key=len, reverse=True)
            parts = re.split(f"({'|'.join(map(re.escape, longest))})", text)
        found = []
        for i, part in enumerate(parts):
            if i % 2:
                found.append(self.numbers[part])
                continue
            cut = functools.cache(self.cut)  # most words come again
            found += [
                self.numbers[token] for word in words(part) for token in cut(word)
            ]
        return found

    def cut(self, word):
        """Cut a word into tokens: join the pair of lowest rank, until none has one."""
        tokens = [SIGNS[byte] for byte in word.encode("utf-8")]
        while len(tokens) > 1:
            pairs = itertools.pairwise(tokens)
            best = min(pairs, key=lambda pair: self.ranks.get(pair, len(self.ranks)))
            if best not in self.ranks:
                break
            tokens = joined(tokens, best)
        return tokens

    def decode(self, numbers):
        """Put the text of token numbers together; what is no UTF-8 becomes a �."""
        return "".join(self.stream(numbers))

    def stream(self, numbers):
        """Yield the text of token numbers, each sign as soon as it is whole."""
        signs = codecs.getincrementaldecoder("utf-8")(errors="replace")
        for number in numbers:
            yield signs.decode(self.bytes_of(number))
        yield signs.decode(b"", final=True)

    def bytes_of(self, number):
        """Return the bytes that a token stands for."""
        token = self.tokens[number]
        if token in self.special:
            return token.encode("utf-8")
        return bytes(BYTES[sign] for sign in token)


def joined(tokens, pair):
    """Join a pair wherever it stands, from left to right."""
    found = []
    for token in tokens:
        if found and (found[-1], token) == pair:
            found[-1] += token
        else:
            found.append(token)
    return found


def words(text):
    """Cut text into words; together they are the text."""
    kinds = "".join(map(kind, text))
    for part in re.finditer("N|[^N]+", kinds):
        start, end = part.span()
        while start < end:
            short = SHORT.match(text, start, end)
            stop = (short or WORD.match(kinds, start, end)).end()
            yield text[start:stop]
            start = stop


@functools.lru_cache(maxsize=4096)
def kind(sign):
    """Return L for a letter, N a number, S white space but " ", which stays, else O."""
    category = unicodedata.category(sign)
    if sign == " ":
        return sign
    if category[0] == "Z" or sign in "\t\n\v\f\r\x85":
        return "S"
    return category[0] if category[0] in "LN" else "O"


def signs_of_bytes():
    """Return a printable sign for each byte: itself, or one from 256 upwards."""
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = itertools.count(256)
    return [chr(b if b in printable else next(others)) for b in range(256)]


SIGNS = signs_of_bytes()
BYTES = {sign: byte for byte, sign in enumerate(SIGNS)}
