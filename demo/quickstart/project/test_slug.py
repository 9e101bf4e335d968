import unittest

from slug import slugify


class SlugifyTest(unittest.TestCase):
    def test_words_are_joined_by_hyphens(self):
        self.assertEqual("a-tale-of-two-cities", slugify("A Tale of Two Cities"))

    def test_punctuation_is_dropped(self):
        self.assertEqual("whats-up-doc", slugify("What's up, Doc?"))

    def test_blanks_around_do_not_count(self):
        self.assertEqual("hello", slugify("  Hello  "))


if __name__ == "__main__":
    unittest.main()
