"""Attendance reports in the forms of Zoom, Teams, Meet and BigBlueButton, with invented people."""

from __future__ import annotations

ZOOM = """Meeting ID,Topic,Start Time,End Time,User Email,Duration (Minutes),Participants
812 3456 7890,Excel,10/13/2026 08:58:00 AM,10/13/2026 11:02:00 AM,paul@exemple.fr,124,3

Name (Original Name),User Email,Join Time,Leave Time,Duration (Minutes),Guest,Recording Consent,In Waiting Room
Zoé Lambert,ZOE.Lambert@exemple.fr,10/13/2026 08:59:10 AM,10/13/2026 09:00:00 AM,1,No,,Yes
Zoé Lambert,ZOE.Lambert@exemple.fr,10/13/2026 09:00:00 AM,10/13/2026 09:30:20 AM,31,No,,No
Zoé Lambert,ZOE.Lambert@exemple.fr,10/13/2026 09:40:00 AM,10/13/2026 11:00:00 AM,80,No,,No
iPad de Karim,,10/13/2026 09:00:00 AM,10/13/2026 11:00:00 AM,120,Yes,,No
"""

ZOOM_FRENCH = """\
Nom (nom original);Adresse e-mail de l’utilisateur;Heure d’arrivée;Heure de départ;Durée (minutes);Salle d’attente
Zoé Lambert;zoe.lambert@exemple.fr;13/10/2026 09:00:00;13/10/2026 09:30:20;31;Non
"""

ZOOM_UNIQUE = """Name (Original Name),User Email,Total Duration (Minutes),Guest
Zoé Lambert,zoe.lambert@exemple.fr,111,No
"""

TEAMS = """1. Résumé
Titre de la réunion\tExcel
Participants présents\t2
Heure de début\t13/10/2026 14:00:00
Durée de la réunion\t2 h

2. Participants
Nom\tPremière participation\tDernier départ\tDurée en réunion\tE-mail\tID du participant (UPN)\tRôle
Zoé Lambert\t13/10/2026 14:00:02\t13/10/2026 16:00:00\t1 h 30 min\tzoe.lambert@exemple.fr\tz@exemple.fr\tParticipant

3. Activités pendant la réunion
Nom\tHeure de participation\tHeure de départ\tDurée\tE-mail\tRôle
Zoé Lambert\t13/10/2026 14:00:02\t13/10/2026 15:00:02\t1 h\tzoe.lambert@exemple.fr\tParticipant
Zoé Lambert\t13/10/2026 15:30:00\t13/10/2026 16:00:00\t30 min\tzoe.lambert@exemple.fr\tParticipant
"""

TEAMS_ENGLISH = """1. Summary
Meeting title\tExcel

2. Participants
Name\tFirst Join\tLast Leave\tIn-Meeting Duration\tEmail\tParticipant ID (UPN)\tRole
Zoé Lambert\t10/13/26, 2:00:02 PM\t10/13/26, 4:00:00 PM\t1h 30m\tzoe.lambert@exemple.fr\t\tAttendee

3. In-Meeting Activities
Name\tJoin Time\tLeave Time\tDuration\tEmail\tRole
Zoé Lambert\t10/13/26, 2:00:02 PM\t10/13/26, 3:00:02 PM\t1h\tzoe.lambert@exemple.fr\tAttendee
"""

TEAMS_FIRST_AND_LAST = TEAMS_ENGLISH.split("3. In-Meeting Activities", maxsplit=1)[0]

TEAMS_RUNNING = "Full Name\tUser Action\tTimestamp\nZoé Lambert\tJoined\t10/13/2026, 2:00:02 PM\n"

MEET = """First name,Last name,Email,Duration,Time joined,Time exited
Zoé,Lambert,zoe.lambert@exemple.fr,58 min,6:02 PM,7:00 PM
Karim,Benali,karim@exemple.fr,12 min,6:00 PM,7:00 PM
"""

BIGBLUEBUTTON = (
    "Name,Moderator,Activity Score,Talk Time,Webcam Time,Messages,Reactions,Poll Votes,Raise Hands,Join,Left,Duration\n"
    '"Zoé Lambert","FALSE","3","-","-","0","0","0","0",'
    '"10/13/2026, 09:00:00 AM","10/13/2026, 10:00:00 AM","01:00:00"\n'
)
