#pragma once

/* Every way in which a database cannot be used says why and what to do. Leaves the server up. */
void errors_run(void);
