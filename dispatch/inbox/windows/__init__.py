"""Windows: the actions of one rule that are carried out as one, each in exactly one window.

The rows of a rule's windows are in the partition ``window|<rule>``; the partition ``windows`` lists these rules.

    o|<value>                      the open window of a value of `by`: its id, its leader, when it opened and ends
    t|<window>                     the same, as long as the window is open
    c|<window>                     the same, once it is closed
    e|<window>|<time>|<action>     a member: an action, with the plain view of its event
    m|<action>                     the window of a member

One transaction adds both rows of a member, and rewrites ``t|<window>`` whatever its etag: that fails if the window is
closed. So members join without conflicts among them, and a closed window gets no more. One transaction creates an open
window with its first member, and one closes it: it creates ``c|…`` and deletes ``o|…`` and ``t|…``.

A closed window is read once it is closed, and Azure Storage is strongly consistent: a read sees all earlier writes
(learn.microsoft.com, "Introduction to Azure Storage"). An action that is called again after a crash finds ``m|…``.
"""

from dispatch.inbox.windows.store import Windows
from dispatch.inbox.windows.window import Member, Opening, Window

__all__ = ["Member", "Opening", "Window", "Windows"]
