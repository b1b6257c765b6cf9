"""Which groups there are: each is a function of a Trial, registered with its number in the torture list of the classic suites, and a title."""

GROUPS = []


class Group:
    def __init__(self, numbers, title, function, only, big):
        self.numbers, self.title, self.function, self.only, self.big = numbers, title, function, only, big
        self.room = function.__module__

    name = property(lambda self: self.function.__name__)

    def runs_in(self, world):
        return (self.only is None or world.user == self.only) and (world.big or not self.big)


def group(*numbers, title, only=None, big=False):
    """`only` is "root" or "user" where the other can't; `big` is for those that take minutes and are run when asked for."""
    def register(function):
        GROUPS.append(Group(numbers, title, function, only, big))
        return function
    return register
