"""What a site does with a million logins: full tables, whole walks over them, and the plan of each statement that ran."""
