#ifdef PEG
struct T_SRC {
	char *fl; int ln;
} T_SRC[NTRANS];

void
tr_2_src(int m, char *file, int ln)
{	T_SRC[m].fl = file;
	T_SRC[m].ln = ln;
}

void
putpeg(int n, int m)
{	printf("%5d	trans %4d ", m, n);
	printf("%s:%d\n",
		T_SRC[n].fl, T_SRC[n].ln);
}
#endif

void
settable(void)
{	Trans *T;
	Trans *settr(int, int, int, int, int, char *, int, int, int);

	trans = (Trans ***) emalloc(5*sizeof(Trans **));

	/* proctype 3: :init: */

	trans[3] = (Trans **) emalloc(23*sizeof(Trans *));

	T = trans[ 3][11] = settr(415,2,0,0,0,"ATOMIC", 0, 2, 0);
	T->nxt	= settr(415,2,1,0,0,"ATOMIC", 0, 2, 0);
	trans[3][1]	= settr(405,2,2,3,3,"(run sender(0))", 0, 2, 0);
	trans[3][2]	= settr(406,2,8,4,4,"i = 1", 0, 2, 0);
	trans[3][9]	= settr(413,2,8,1,0,".(goto)", 0, 2, 0);
	T = trans[3][8] = settr(412,2,0,0,0,"DO", 0, 2, 0);
	T = T->nxt	= settr(412,2,3,0,0,"DO", 0, 2, 0);
	    T->nxt	= settr(412,2,6,0,0,"DO", 0, 2, 0);
	trans[3][3]	= settr(407,2,4,5,0,"((i<(1+1)))", 0, 2, 0);
	trans[3][4]	= settr(408,2,5,6,6,"(run receiver(i))", 0, 2, 0);
	trans[3][5]	= settr(409,2,8,7,7,"i = (i+1)", 0, 2, 0);
	trans[3][6]	= settr(410,2,7,2,0,"else", 0, 2, 0);
	trans[3][7]	= settr(411,2,10,1,0,"goto :b9", 0, 2, 0);
	trans[3][10]	= settr(414,0,12,1,0,"break", 0, 2, 0);
	trans[3][12]	= settr(416,0,13,8,0,"(timeout)", 1, 3000, 0);
	trans[3][13]	= settr(417,0,19,9,9,"i = 1", 0, 2, 0);
	trans[3][20]	= settr(424,0,19,1,0,".(goto)", 0, 2, 0);
	T = trans[3][19] = settr(423,0,0,0,0,"DO", 0, 2, 0);
	T = T->nxt	= settr(423,0,14,0,0,"DO", 0, 2, 0);
	    T->nxt	= settr(423,0,17,0,0,"DO", 0, 2, 0);
	trans[3][14]	= settr(418,0,15,10,0,"((i<(1+1)))", 0, 2, 0);
	trans[3][15]	= settr(419,0,16,11,0,"assert(!((asleep[i]&&(taken<3))))", 1, 2, 0);
	trans[3][16]	= settr(420,0,19,12,12,"i = (i+1)", 0, 2, 0);
	trans[3][17]	= settr(421,0,22,2,0,"else", 0, 2, 0);
	trans[3][18]	= settr(422,0,22,1,0,"goto :b10", 0, 2, 0);
	trans[3][21]	= settr(425,0,22,1,0,"break", 0, 2, 0);
	trans[3][22]	= settr(426,0,0,13,13,"-end-", 0, 3500, 0);

	/* proctype 2: receiver */

	trans[2] = (Trans **) emalloc(367*sizeof(Trans *));

	trans[2][364]	= settr(402,0,363,1,0,".(goto)", 0, 2, 0);
	T = trans[2][363] = settr(401,0,0,0,0,"DO", 0, 2, 0);
	T = T->nxt	= settr(401,0,1,0,0,"DO", 0, 2, 0);
	    T->nxt	= settr(401,0,361,0,0,"DO", 0, 2, 0);
	trans[2][1]	= settr(39,0,5,1,0,"(1)", 0, 2, 0);
	T = trans[ 2][5] = settr(43,0,0,0,0,"sub-sequence", 0, 2, 0);
	T->nxt	= settr(43,0,4,0,0,"sub-sequence", 0, 2, 0);
	T = trans[ 2][4] = settr(42,2,0,0,0,"ATOMIC", 1, 2, 0);
	T->nxt	= settr(42,2,2,0,0,"ATOMIC", 1, 2, 0);
	trans[2][2]	= settr(40,4,59,14,14,"(!(turn))", 1, 2, 0); /* m: 3 -> 59,0 */
	reached2[3] = 1;
	trans[2][3]	= settr(0,0,0,0,0,"turn = 1",0,0,0);
	T = trans[ 2][59] = settr(97,0,0,0,0,"sub-sequence", 0, 2, 0);
	T->nxt	= settr(97,0,6,0,0,"sub-sequence", 0, 2, 0);
	trans[2][6]	= settr(44,0,56,15,15,"found = 0", 0, 2, 0);
	trans[2][57]	= settr(95,0,56,1,0,".(goto)", 0, 2, 0);
	T = trans[2][56] = settr(94,0,0,0,0,"DO", 0, 2, 0);
	    T->nxt	= settr(94,0,12,0,0,"DO", 0, 2, 0);
	T = trans[2][12] = settr(50,0,0,0,0,"IF", 0, 2, 0);
	T = T->nxt	= settr(50,0,7,0,0,"IF", 0, 2, 0);
	    T->nxt	= settr(50,0,11,0,0,"IF", 0, 2, 0);
	trans[2][7]	= settr(45,0,8,16,0,"(stack)", 1, 2, 0);
	trans[2][8]	= settr(46,0,10,17,17,"stack = 0", 1, 2, 0);
	T = trans[ 2][10] = settr(48,0,0,0,0,"sub-sequence", 0, 2, 0);
	T->nxt	= settr(48,0,9,0,0,"sub-sequence", 0, 2, 0);
	trans[2][9]	= settr(47,0,54,18,18,"listed = 1", 1, 2, 0);
	trans[2][13]	= settr(51,0,54,1,0,".(goto)", 0, 2, 0);
	trans[2][11]	= settr(49,0,54,2,0,"else", 0, 2, 0);
	T = trans[2][54] = settr(92,0,0,0,0,"IF", 0, 2, 0);
	T = T->nxt	= settr(92,0,14,0,0,"IF", 0, 2, 0);
	T = T->nxt	= settr(92,0,16,0,0,"IF", 0, 2, 0);
	T = T->nxt	= settr(92,0,20,0,0,"IF", 0, 2, 0);
	    T->nxt	= settr(92,0,26,0,0,"IF", 0, 2, 0);
	trans[2][14]	= settr(52,0,256,19,0,"(!(listed))", 1, 2, 0);
	trans[2][15]	= settr(53,0,256,1,0,"goto :b3", 0, 2, 0);
	trans[2][55]	= settr(93,0,56,1,0,".(goto)", 0, 2, 0);
	trans[2][16]	= settr(54,0,17,20,0,"((listed&&(mem[0]>taken)))", 1, 2, 0);
	trans[2][17]	= settr(55,0,18,21,21,"taken = (taken+1)", 1, 2, 0);
	trans[2][18]	= settr(56,0,256,22,22,"found = 1", 0, 2, 0);
	trans[2][19]	= settr(57,0,256,1,0,"goto :b3", 0, 2, 0);
	trans[2][20]	= settr(58,0,24,23,0,"(((listed&&!((mem[0]>taken)))&&(hot_word&1)))", 1, 2, 0);
	T = trans[2][24] = settr(62,0,0,0,0,"IF", 0, 2, 0);
	T = T->nxt	= settr(62,0,21,0,0,"IF", 0, 2, 0);
	    T->nxt	= settr(62,0,23,0,0,"IF", 0, 2, 0);
	trans[2][21]	= settr(59,0,256,24,0,"(!(stack))", 1, 2, 0);
	trans[2][22]	= settr(60,0,256,1,0,"goto :b3", 0, 2, 0);
	trans[2][25]	= settr(63,0,56,1,0,".(goto)", 0, 2, 0);
	trans[2][23]	= settr(61,0,56,2,0,"else", 0, 2, 0);
	trans[2][26]	= settr(64,0,52,25,0,"(((listed&&!((mem[0]>taken)))&&!((hot_word&1))))", 1, 2, 0);
	T = trans[2][52] = settr(90,0,0,0,0,"IF", 0, 2, 0);
	T = T->nxt	= settr(90,0,27,0,0,"IF", 0, 2, 0);
	    T->nxt	= settr(90,0,32,0,0,"IF", 0, 2, 0);
	trans[2][27]	= settr(65,0,31,26,0,"((1&&(sleepers==0)))", 1, 2, 0);
	T = trans[ 2][31] = settr(69,0,0,0,0,"sub-sequence", 0, 2, 0);
	T->nxt	= settr(69,0,30,0,0,"sub-sequence", 0, 2, 0);
	T = trans[ 2][30] = settr(68,2,0,0,0,"ATOMIC", 1, 2, 0);
	T->nxt	= settr(68,2,28,0,0,"ATOMIC", 1, 3, 0);
	trans[2][28]	= settr(66,2,29,27,27,"hot_word = (hot_word+1)", 1, 3, 0);
	trans[2][29]	= settr(67,0,56,28,28,"buffer[me]!1,hot_word", 1, 3, 0);
	trans[2][53]	= settr(91,0,56,1,0,".(goto)", 0, 2, 0);
	trans[2][32]	= settr(70,0,51,1,0,"(1)", 0, 2, 0);
	T = trans[ 2][51] = settr(89,0,0,0,0,"sub-sequence", 0, 2, 0);
	T->nxt	= settr(89,0,33,0,0,"sub-sequence", 0, 2, 0);
	trans[2][33]	= settr(71,0,36,29,29,"listed = 0", 1, 2, 0);
	T = trans[ 2][36] = settr(74,2,0,0,0,"ATOMIC", 1, 2, 0);
	T->nxt	= settr(74,2,34,0,0,"ATOMIC", 1, 1003, 0);
	trans[2][34]	= settr(72,4,49,30,30,"(empty(buffer[me]))", 1, 1003, 0); /* m: 35 -> 49,0 */
	reached2[35] = 1;
	trans[2][35]	= settr(0,0,0,0,0,"ready = 0",0,0,0);
	T = trans[2][49] = settr(87,0,0,0,0,"IF", 0, 2, 0);
	T = T->nxt	= settr(87,0,37,0,0,"IF", 0, 2, 0);
	    T->nxt	= settr(87,0,48,0,0,"IF", 0, 2, 0);
	trans[2][37]	= settr(75,0,41,31,0,"((mem[0]>taken))", 1, 2, 0);
	T = trans[ 2][41] = settr(79,2,0,0,0,"ATOMIC", 1, 2, 0);
	T->nxt	= settr(79,2,38,0,0,"ATOMIC", 1, 1003, 0);
	trans[2][38]	= settr(76,4,46,32,32,"(empty(buffer[me]))", 1, 1003, 0); /* m: 39 -> 46,0 */
	reached2[39] = 1;
	trans[2][39]	= settr(0,0,0,0,0,"was = ready",0,0,0);
	trans[2][40]	= settr(0,0,0,0,0,"ready = 1",0,0,0);
	T = trans[2][46] = settr(84,0,0,0,0,"IF", 0, 2, 0);
	T = T->nxt	= settr(84,0,42,0,0,"IF", 0, 2, 0);
	    T->nxt	= settr(84,0,45,0,0,"IF", 0, 2, 0);
	trans[2][42]	= settr(80,0,44,33,33,"(!(was))", 0, 2, 0);
	T = trans[ 2][44] = settr(82,0,0,0,0,"sub-sequence", 0, 2, 0);
	T->nxt	= settr(82,0,43,0,0,"sub-sequence", 0, 2, 0);
	trans[2][43]	= settr(81,0,56,34,34,"listed = 1", 1, 2, 0);
	trans[2][47]	= settr(85,0,56,1,0,".(goto)", 0, 2, 0);
	trans[2][45]	= settr(83,0,56,2,0,"else", 0, 2, 0);
	trans[2][50]	= settr(88,0,56,1,0,".(goto)", 0, 2, 0);
	trans[2][48]	= settr(86,0,56,2,0,"else", 0, 2, 0);
	trans[2][58]	= settr(96,0,256,1,0,"break", 0, 2, 0);
	T = trans[2][256] = settr(294,0,0,0,0,"IF", 0, 2, 0);
	T = T->nxt	= settr(294,0,60,0,0,"IF", 0, 2, 0);
	    T->nxt	= settr(294,0,61,0,0,"IF", 0, 2, 0);
	trans[2][60]	= settr(98,0,355,35,35,"(found)", 0, 2, 0);
	trans[2][257]	= settr(295,0,355,1,0,".(goto)", 0, 2, 0);
	trans[2][61]	= settr(99,0,254,36,36,"(!(found))", 0, 2, 0);
	T = trans[2][254] = settr(292,0,0,0,0,"IF", 0, 2, 0);
	T = T->nxt	= settr(292,0,62,0,0,"IF", 0, 2, 0);
	    T->nxt	= settr(292,0,63,0,0,"IF", 0, 2, 0);
	trans[2][62]	= settr(100,0,355,1,0,"(1)", 0, 2, 0);
	trans[2][255]	= settr(293,0,355,1,0,".(goto)", 0, 2, 0);
	trans[2][63]	= settr(101,0,64,1,0,"(1)", 0, 2, 0);
	trans[2][64]	= settr(102,0,65,37,37,"before = wake", 1, 2, 0);
	trans[2][65]	= settr(103,0,183,38,38,"sleepers = (sleepers+1)", 1, 2, 0);
	T = trans[ 2][183] = settr(221,0,0,0,0,"sub-sequence", 0, 2, 0);
	T->nxt	= settr(221,0,165,0,0,"sub-sequence", 0, 2, 0);
	trans[2][166]	= settr(204,0,165,1,0,".(goto)", 0, 2, 0);
	T = trans[2][165] = settr(203,0,0,0,0,"DO", 0, 2, 0);
	    T->nxt	= settr(203,0,102,0,0,"DO", 0, 2, 0);
	T = trans[ 2][102] = settr(140,0,0,0,0,"sub-sequence", 0, 2, 0);
	T->nxt	= settr(140,0,100,0,0,"sub-sequence", 0, 2, 0);
	T = trans[2][100] = settr(138,0,0,0,0,"IF", 0, 2, 0);
	T = T->nxt	= settr(138,0,66,0,0,"IF", 0, 2, 0);
	    T->nxt	= settr(138,0,99,0,0,"IF", 0, 2, 0);
	trans[2][66]	= settr(104,0,70,39,0,"((hot_word&1))", 1, 2, 0);
	T = trans[ 2][70] = settr(108,0,0,0,0,"sub-sequence", 0, 2, 0);
	T->nxt	= settr(108,0,69,0,0,"sub-sequence", 0, 2, 0);
	T = trans[ 2][69] = settr(107,2,0,0,0,"ATOMIC", 1, 2, 0);
	T->nxt	= settr(107,2,67,0,0,"ATOMIC", 1, 3, 0);
	trans[2][67]	= settr(105,2,68,40,40,"hot_word = (hot_word+1)", 1, 3, 0);
	trans[2][68]	= settr(106,0,77,41,41,"buffer[me]!1,hot_word", 1, 3, 0); /* m: 71 -> 77,0 */
	reached2[71] = 1;
	trans[2][71]	= settr(0,0,0,0,0,"q = 0",0,0,0);
	trans[2][78]	= settr(116,0,77,1,0,".(goto)", 0, 2, 0);
	T = trans[2][77] = settr(115,0,0,0,0,"DO", 0, 2, 0);
	T = T->nxt	= settr(115,0,72,0,0,"DO", 0, 2, 0);
	    T->nxt	= settr(115,0,75,0,0,"DO", 0, 2, 0);
	trans[2][72]	= settr(110,0,73,42,0,"((q<(1+1)))", 0, 2, 0);
	trans[2][73]	= settr(111,0,74,43,0,"(empty(buffer[q]))", 1, 1003, 0);
	trans[2][74]	= settr(112,0,77,44,44,"q = (q+1)", 0, 2, 0);
	trans[2][75]	= settr(113,0,98,2,0,"else", 0, 2, 0);
	trans[2][76]	= settr(114,0,98,1,0,"goto :b5", 0, 2, 0);
	trans[2][79]	= settr(117,0,98,1,0,"break", 0, 2, 0);
	T = trans[ 2][98] = settr(136,0,0,0,0,"sub-sequence", 0, 2, 0);
	T->nxt	= settr(136,0,80,0,0,"sub-sequence", 0, 2, 0);
	trans[2][80]	= settr(118,0,83,45,45,"listed = 0", 1, 2, 0);
	T = trans[ 2][83] = settr(121,2,0,0,0,"ATOMIC", 1, 2, 0);
	T->nxt	= settr(121,2,81,0,0,"ATOMIC", 1, 1003, 0);
	trans[2][81]	= settr(119,4,96,46,46,"(empty(buffer[me]))", 1, 1003, 0); /* m: 82 -> 96,0 */
	reached2[82] = 1;
	trans[2][82]	= settr(0,0,0,0,0,"ready = 0",0,0,0);
	T = trans[2][96] = settr(134,0,0,0,0,"IF", 0, 2, 0);
	T = T->nxt	= settr(134,0,84,0,0,"IF", 0, 2, 0);
	    T->nxt	= settr(134,0,95,0,0,"IF", 0, 2, 0);
	trans[2][84]	= settr(122,0,88,47,0,"((mem[0]>taken))", 1, 2, 0);
	T = trans[ 2][88] = settr(126,2,0,0,0,"ATOMIC", 1, 2, 0);
	T->nxt	= settr(126,2,85,0,0,"ATOMIC", 1, 1003, 0);
	trans[2][85]	= settr(123,4,93,48,48,"(empty(buffer[me]))", 1, 1003, 0); /* m: 86 -> 93,0 */
	reached2[86] = 1;
	trans[2][86]	= settr(0,0,0,0,0,"was = ready",0,0,0);
	trans[2][87]	= settr(0,0,0,0,0,"ready = 1",0,0,0);
	T = trans[2][93] = settr(131,0,0,0,0,"IF", 0, 2, 0);
	T = T->nxt	= settr(131,0,89,0,0,"IF", 0, 2, 0);
	    T->nxt	= settr(131,0,92,0,0,"IF", 0, 2, 0);
	trans[2][89]	= settr(127,0,91,49,49,"(!(was))", 0, 2, 0);
	T = trans[ 2][91] = settr(129,0,0,0,0,"sub-sequence", 0, 2, 0);
	T->nxt	= settr(129,0,90,0,0,"sub-sequence", 0, 2, 0);
	trans[2][90]	= settr(128,0,105,50,50,"listed = 1", 1, 2, 0);
	trans[2][94]	= settr(132,0,105,1,0,".(goto)", 0, 2, 0);
	trans[2][92]	= settr(130,0,105,2,0,"else", 0, 2, 0);
	trans[2][97]	= settr(135,0,105,1,0,".(goto)", 0, 2, 0);
	trans[2][95]	= settr(133,0,105,2,0,"else", 0, 2, 0);
	trans[2][101]	= settr(139,0,105,1,0,".(goto)", 0, 2, 0);
	trans[2][99]	= settr(137,0,105,2,0,"else", 0, 2, 0);
	T = trans[ 2][105] = settr(143,2,0,0,0,"ATOMIC", 1, 2, 0);
	T->nxt	= settr(143,2,103,0,0,"ATOMIC", 1, 1003, 0);
	trans[2][103]	= settr(141,4,159,51,51,"(empty(buffer[me]))", 1, 1003, 0); /* m: 104 -> 159,0 */
	reached2[104] = 1;
	trans[2][104]	= settr(0,0,0,0,0,"armed = 1",0,0,0);
	T = trans[ 2][159] = settr(197,0,0,0,0,"sub-sequence", 0, 2, 0);
	T->nxt	= settr(197,0,106,0,0,"sub-sequence", 0, 2, 0);
	trans[2][106]	= settr(144,0,156,52,52,"found = 0", 0, 2, 0);
	trans[2][157]	= settr(195,0,156,1,0,".(goto)", 0, 2, 0);
	T = trans[2][156] = settr(194,0,0,0,0,"DO", 0, 2, 0);
	    T->nxt	= settr(194,0,112,0,0,"DO", 0, 2, 0);
	T = trans[2][112] = settr(150,0,0,0,0,"IF", 0, 2, 0);
	T = T->nxt	= settr(150,0,107,0,0,"IF", 0, 2, 0);
	    T->nxt	= settr(150,0,111,0,0,"IF", 0, 2, 0);
	trans[2][107]	= settr(145,0,108,53,0,"(stack)", 1, 2, 0);
	trans[2][108]	= settr(146,0,110,54,54,"stack = 0", 1, 2, 0);
	T = trans[ 2][110] = settr(148,0,0,0,0,"sub-sequence", 0, 2, 0);
	T->nxt	= settr(148,0,109,0,0,"sub-sequence", 0, 2, 0);
	trans[2][109]	= settr(147,0,154,55,55,"listed = 1", 1, 2, 0);
	trans[2][113]	= settr(151,0,154,1,0,".(goto)", 0, 2, 0);
	trans[2][111]	= settr(149,0,154,2,0,"else", 0, 2, 0);
	T = trans[2][154] = settr(192,0,0,0,0,"IF", 0, 2, 0);
	T = T->nxt	= settr(192,0,114,0,0,"IF", 0, 2, 0);
	T = T->nxt	= settr(192,0,116,0,0,"IF", 0, 2, 0);
	T = T->nxt	= settr(192,0,120,0,0,"IF", 0, 2, 0);
	    T->nxt	= settr(192,0,126,0,0,"IF", 0, 2, 0);
	trans[2][114]	= settr(152,0,163,56,0,"(!(listed))", 1, 2, 0);
	trans[2][115]	= settr(153,0,163,1,0,"goto :b6", 0, 2, 0);
	trans[2][155]	= settr(193,0,156,1,0,".(goto)", 0, 2, 0);
	trans[2][116]	= settr(154,0,117,57,0,"((listed&&(mem[0]>taken)))", 1, 2, 0);
	trans[2][117]	= settr(155,0,118,58,58,"taken = (taken+1)", 1, 2, 0);
	trans[2][118]	= settr(156,0,163,59,59,"found = 1", 0, 2, 0);
	trans[2][119]	= settr(157,0,163,1,0,"goto :b6", 0, 2, 0);
	trans[2][120]	= settr(158,0,124,60,0,"(((listed&&!((mem[0]>taken)))&&(hot_word&1)))", 1, 2, 0);
	T = trans[2][124] = settr(162,0,0,0,0,"IF", 0, 2, 0);
	T = T->nxt	= settr(162,0,121,0,0,"IF", 0, 2, 0);
	    T->nxt	= settr(162,0,123,0,0,"IF", 0, 2, 0);
	trans[2][121]	= settr(159,0,163,61,0,"(!(stack))", 1, 2, 0);
	trans[2][122]	= settr(160,0,163,1,0,"goto :b6", 0, 2, 0);
	trans[2][125]	= settr(163,0,156,1,0,".(goto)", 0, 2, 0);
	trans[2][123]	= settr(161,0,156,2,0,"else", 0, 2, 0);
	trans[2][126]	= settr(164,0,152,62,0,"(((listed&&!((mem[0]>taken)))&&!((hot_word&1))))", 1, 2, 0);
	T = trans[2][152] = settr(190,0,0,0,0,"IF", 0, 2, 0);
	T = T->nxt	= settr(190,0,127,0,0,"IF", 0, 2, 0);
	    T->nxt	= settr(190,0,132,0,0,"IF", 0, 2, 0);
	trans[2][127]	= settr(165,0,131,63,0,"((0&&(sleepers==0)))", 1, 2, 0);
	T = trans[ 2][131] = settr(169,0,0,0,0,"sub-sequence", 0, 2, 0);
	T->nxt	= settr(169,0,130,0,0,"sub-sequence", 0, 2, 0);
	T = trans[ 2][130] = settr(168,2,0,0,0,"ATOMIC", 1, 2, 0);
	T->nxt	= settr(168,2,128,0,0,"ATOMIC", 1, 3, 0);
	trans[2][128]	= settr(166,2,129,64,64,"hot_word = (hot_word+1)", 1, 3, 0);
	trans[2][129]	= settr(167,0,156,65,65,"buffer[me]!1,hot_word", 1, 3, 0);
	trans[2][153]	= settr(191,0,156,1,0,".(goto)", 0, 2, 0);
	trans[2][132]	= settr(170,0,151,1,0,"(1)", 0, 2, 0);
	T = trans[ 2][151] = settr(189,0,0,0,0,"sub-sequence", 0, 2, 0);
	T->nxt	= settr(189,0,133,0,0,"sub-sequence", 0, 2, 0);
	trans[2][133]	= settr(171,0,136,66,66,"listed = 0", 1, 2, 0);
	T = trans[ 2][136] = settr(174,2,0,0,0,"ATOMIC", 1, 2, 0);
	T->nxt	= settr(174,2,134,0,0,"ATOMIC", 1, 1003, 0);
	trans[2][134]	= settr(172,4,149,67,67,"(empty(buffer[me]))", 1, 1003, 0); /* m: 135 -> 149,0 */
	reached2[135] = 1;
	trans[2][135]	= settr(0,0,0,0,0,"ready = 0",0,0,0);
	T = trans[2][149] = settr(187,0,0,0,0,"IF", 0, 2, 0);
	T = T->nxt	= settr(187,0,137,0,0,"IF", 0, 2, 0);
	    T->nxt	= settr(187,0,148,0,0,"IF", 0, 2, 0);
	trans[2][137]	= settr(175,0,141,68,0,"((mem[0]>taken))", 1, 2, 0);
	T = trans[ 2][141] = settr(179,2,0,0,0,"ATOMIC", 1, 2, 0);
	T->nxt	= settr(179,2,138,0,0,"ATOMIC", 1, 1003, 0);
	trans[2][138]	= settr(176,4,146,69,69,"(empty(buffer[me]))", 1, 1003, 0); /* m: 139 -> 146,0 */
	reached2[139] = 1;
	trans[2][139]	= settr(0,0,0,0,0,"was = ready",0,0,0);
	trans[2][140]	= settr(0,0,0,0,0,"ready = 1",0,0,0);
	T = trans[2][146] = settr(184,0,0,0,0,"IF", 0, 2, 0);
	T = T->nxt	= settr(184,0,142,0,0,"IF", 0, 2, 0);
	    T->nxt	= settr(184,0,145,0,0,"IF", 0, 2, 0);
	trans[2][142]	= settr(180,0,144,70,70,"(!(was))", 0, 2, 0);
	T = trans[ 2][144] = settr(182,0,0,0,0,"sub-sequence", 0, 2, 0);
	T->nxt	= settr(182,0,143,0,0,"sub-sequence", 0, 2, 0);
	trans[2][143]	= settr(181,0,156,71,71,"listed = 1", 1, 2, 0);
	trans[2][147]	= settr(185,0,156,1,0,".(goto)", 0, 2, 0);
	trans[2][145]	= settr(183,0,156,2,0,"else", 0, 2, 0);
	trans[2][150]	= settr(188,0,156,1,0,".(goto)", 0, 2, 0);
	trans[2][148]	= settr(186,0,156,2,0,"else", 0, 2, 0);
	trans[2][158]	= settr(196,0,163,1,0,"break", 0, 2, 0);
	T = trans[2][163] = settr(201,0,0,0,0,"IF", 0, 2, 0);
	T = T->nxt	= settr(201,0,160,0,0,"IF", 0, 2, 0);
	    T->nxt	= settr(201,0,162,0,0,"IF", 0, 2, 0);
	trans[2][160]	= settr(198,0,181,72,0,"((found||!((hot_word&1))))", 1, 2, 0);
	trans[2][161]	= settr(199,0,181,1,0,"goto :b4", 0, 2, 0);
	trans[2][164]	= settr(202,0,165,1,0,".(goto)", 0, 2, 0);
	trans[2][162]	= settr(200,0,165,2,0,"else", 0, 2, 0);
	trans[2][167]	= settr(205,0,181,1,0,"break", 0, 2, 0);
	T = trans[2][181] = settr(219,0,0,0,0,"IF", 0, 2, 0);
	T = T->nxt	= settr(219,0,168,0,0,"IF", 0, 2, 0);
	    T->nxt	= settr(219,0,180,0,0,"IF", 0, 2, 0);
	trans[2][168]	= settr(206,0,169,73,0,"(found)", 0, 2, 0);
	trans[2][169]	= settr(207,0,179,74,74,"armed = ( ((sleepers>0)) -> (armed) : (0) )", 1, 2, 0);
	T = trans[ 2][179] = settr(217,0,0,0,0,"sub-sequence", 0, 2, 0);
	T->nxt	= settr(217,0,173,0,0,"sub-sequence", 0, 2, 0);
	T = trans[ 2][173] = settr(211,2,0,0,0,"ATOMIC", 1, 2, 0);
	T->nxt	= settr(211,2,170,0,0,"ATOMIC", 1, 1003, 0);
	trans[2][170]	= settr(208,4,177,75,75,"(empty(buffer[me]))", 1, 1003, 0); /* m: 171 -> 177,0 */
	reached2[171] = 1;
	trans[2][171]	= settr(0,0,0,0,0,"was = armed",0,0,0);
	trans[2][172]	= settr(0,0,0,0,0,"armed = 0",0,0,0);
	T = trans[2][177] = settr(215,0,0,0,0,"IF", 0, 2, 0);
	T = T->nxt	= settr(215,0,174,0,0,"IF", 0, 2, 0);
	    T->nxt	= settr(215,0,176,0,0,"IF", 0, 2, 0);
	trans[2][174]	= settr(212,0,175,76,76,"(was)", 0, 2, 0);
	trans[2][175]	= settr(213,0,251,77,77,"wake = (wake+1)", 1, 2, 0);
	trans[2][178]	= settr(216,0,251,1,0,".(goto)", 0, 2, 0);
	trans[2][176]	= settr(214,0,251,2,0,"else", 0, 2, 0);
	trans[2][182]	= settr(220,0,251,1,0,".(goto)", 0, 2, 0);
	trans[2][180]	= settr(218,0,251,2,0,"else", 0, 2, 0);
	T = trans[2][251] = settr(289,0,0,0,0,"IF", 0, 2, 0);
	T = T->nxt	= settr(289,0,184,0,0,"IF", 0, 2, 0);
	    T->nxt	= settr(289,0,250,0,0,"IF", 0, 2, 0);
	trans[2][184]	= settr(222,0,188,78,78,"(!(found))", 0, 2, 0);
	T = trans[ 2][188] = settr(226,0,0,0,0,"sub-sequence", 0, 2, 0);
	T->nxt	= settr(226,0,187,0,0,"sub-sequence", 0, 2, 0);
	T = trans[ 2][187] = settr(225,2,0,0,0,"ATOMIC", 1, 2, 0);
	T->nxt	= settr(225,2,185,0,0,"ATOMIC", 1, 1003, 0);
	trans[2][185]	= settr(223,4,189,79,79,"(empty(buffer[me]))", 1, 1003, 0); /* m: 186 -> 189,0 */
	reached2[186] = 1;
	trans[2][186]	= settr(0,0,0,0,0,"turn = 0",0,0,0);
	trans[2][189]	= settr(227,0,190,80,80,"asleep[me] = 1", 1, 2, 0);
	trans[2][190]	= settr(228,0,191,81,81,"((wake!=before))", 1, 2, 0);
	trans[2][191]	= settr(229,0,195,82,82,"asleep[me] = 0", 1, 2, 0);
	T = trans[ 2][195] = settr(233,0,0,0,0,"sub-sequence", 0, 2, 0);
	T->nxt	= settr(233,0,194,0,0,"sub-sequence", 0, 2, 0);
	T = trans[ 2][194] = settr(232,2,0,0,0,"ATOMIC", 1, 2, 0);
	T->nxt	= settr(232,2,192,0,0,"ATOMIC", 1, 2, 0);
	trans[2][192]	= settr(230,4,249,83,83,"(!(turn))", 1, 2, 0); /* m: 193 -> 249,0 */
	reached2[193] = 1;
	trans[2][193]	= settr(0,0,0,0,0,"turn = 1",0,0,0);
	T = trans[ 2][249] = settr(287,0,0,0,0,"sub-sequence", 0, 2, 0);
	T->nxt	= settr(287,0,196,0,0,"sub-sequence", 0, 2, 0);
	trans[2][196]	= settr(234,0,246,84,84,"found = 0", 0, 2, 0);
	trans[2][247]	= settr(285,0,246,1,0,".(goto)", 0, 2, 0);
	T = trans[2][246] = settr(284,0,0,0,0,"DO", 0, 2, 0);
	    T->nxt	= settr(284,0,202,0,0,"DO", 0, 2, 0);
	T = trans[2][202] = settr(240,0,0,0,0,"IF", 0, 2, 0);
	T = T->nxt	= settr(240,0,197,0,0,"IF", 0, 2, 0);
	    T->nxt	= settr(240,0,201,0,0,"IF", 0, 2, 0);
	trans[2][197]	= settr(235,0,198,85,0,"(stack)", 1, 2, 0);
	trans[2][198]	= settr(236,0,200,86,86,"stack = 0", 1, 2, 0);
	T = trans[ 2][200] = settr(238,0,0,0,0,"sub-sequence", 0, 2, 0);
	T->nxt	= settr(238,0,199,0,0,"sub-sequence", 0, 2, 0);
	trans[2][199]	= settr(237,0,244,87,87,"listed = 1", 1, 2, 0);
	trans[2][203]	= settr(241,0,244,1,0,".(goto)", 0, 2, 0);
	trans[2][201]	= settr(239,0,244,2,0,"else", 0, 2, 0);
	T = trans[2][244] = settr(282,0,0,0,0,"IF", 0, 2, 0);
	T = T->nxt	= settr(282,0,204,0,0,"IF", 0, 2, 0);
	T = T->nxt	= settr(282,0,206,0,0,"IF", 0, 2, 0);
	T = T->nxt	= settr(282,0,210,0,0,"IF", 0, 2, 0);
	    T->nxt	= settr(282,0,216,0,0,"IF", 0, 2, 0);
	trans[2][204]	= settr(242,0,253,88,0,"(!(listed))", 1, 2, 0);
	trans[2][205]	= settr(243,0,253,1,0,"goto :b7", 0, 2, 0);
	trans[2][245]	= settr(283,0,246,1,0,".(goto)", 0, 2, 0);
	trans[2][206]	= settr(244,0,207,89,0,"((listed&&(mem[0]>taken)))", 1, 2, 0);
	trans[2][207]	= settr(245,0,208,90,90,"taken = (taken+1)", 1, 2, 0);
	trans[2][208]	= settr(246,0,253,91,91,"found = 1", 0, 2, 0);
	trans[2][209]	= settr(247,0,253,1,0,"goto :b7", 0, 2, 0);
	trans[2][210]	= settr(248,0,214,92,0,"(((listed&&!((mem[0]>taken)))&&(hot_word&1)))", 1, 2, 0);
	T = trans[2][214] = settr(252,0,0,0,0,"IF", 0, 2, 0);
	T = T->nxt	= settr(252,0,211,0,0,"IF", 0, 2, 0);
	    T->nxt	= settr(252,0,213,0,0,"IF", 0, 2, 0);
	trans[2][211]	= settr(249,0,253,93,0,"(!(stack))", 1, 2, 0);
	trans[2][212]	= settr(250,0,253,1,0,"goto :b7", 0, 2, 0);
	trans[2][215]	= settr(253,0,246,1,0,".(goto)", 0, 2, 0);
	trans[2][213]	= settr(251,0,246,2,0,"else", 0, 2, 0);
	trans[2][216]	= settr(254,0,242,94,0,"(((listed&&!((mem[0]>taken)))&&!((hot_word&1))))", 1, 2, 0);
	T = trans[2][242] = settr(280,0,0,0,0,"IF", 0, 2, 0);
	T = T->nxt	= settr(280,0,217,0,0,"IF", 0, 2, 0);
	    T->nxt	= settr(280,0,222,0,0,"IF", 0, 2, 0);
	trans[2][217]	= settr(255,0,221,95,0,"((0&&(sleepers==0)))", 1, 2, 0);
	T = trans[ 2][221] = settr(259,0,0,0,0,"sub-sequence", 0, 2, 0);
	T->nxt	= settr(259,0,220,0,0,"sub-sequence", 0, 2, 0);
	T = trans[ 2][220] = settr(258,2,0,0,0,"ATOMIC", 1, 2, 0);
	T->nxt	= settr(258,2,218,0,0,"ATOMIC", 1, 3, 0);
	trans[2][218]	= settr(256,2,219,96,96,"hot_word = (hot_word+1)", 1, 3, 0);
	trans[2][219]	= settr(257,0,246,97,97,"buffer[me]!1,hot_word", 1, 3, 0);
	trans[2][243]	= settr(281,0,246,1,0,".(goto)", 0, 2, 0);
	trans[2][222]	= settr(260,0,241,1,0,"(1)", 0, 2, 0);
	T = trans[ 2][241] = settr(279,0,0,0,0,"sub-sequence", 0, 2, 0);
	T->nxt	= settr(279,0,223,0,0,"sub-sequence", 0, 2, 0);
	trans[2][223]	= settr(261,0,226,98,98,"listed = 0", 1, 2, 0);
	T = trans[ 2][226] = settr(264,2,0,0,0,"ATOMIC", 1, 2, 0);
	T->nxt	= settr(264,2,224,0,0,"ATOMIC", 1, 1003, 0);
	trans[2][224]	= settr(262,4,239,99,99,"(empty(buffer[me]))", 1, 1003, 0); /* m: 225 -> 239,0 */
	reached2[225] = 1;
	trans[2][225]	= settr(0,0,0,0,0,"ready = 0",0,0,0);
	T = trans[2][239] = settr(277,0,0,0,0,"IF", 0, 2, 0);
	T = T->nxt	= settr(277,0,227,0,0,"IF", 0, 2, 0);
	    T->nxt	= settr(277,0,238,0,0,"IF", 0, 2, 0);
	trans[2][227]	= settr(265,0,231,100,0,"((mem[0]>taken))", 1, 2, 0);
	T = trans[ 2][231] = settr(269,2,0,0,0,"ATOMIC", 1, 2, 0);
	T->nxt	= settr(269,2,228,0,0,"ATOMIC", 1, 1003, 0);
	trans[2][228]	= settr(266,4,236,101,101,"(empty(buffer[me]))", 1, 1003, 0); /* m: 229 -> 236,0 */
	reached2[229] = 1;
	trans[2][229]	= settr(0,0,0,0,0,"was = ready",0,0,0);
	trans[2][230]	= settr(0,0,0,0,0,"ready = 1",0,0,0);
	T = trans[2][236] = settr(274,0,0,0,0,"IF", 0, 2, 0);
	T = T->nxt	= settr(274,0,232,0,0,"IF", 0, 2, 0);
	    T->nxt	= settr(274,0,235,0,0,"IF", 0, 2, 0);
	trans[2][232]	= settr(270,0,234,102,102,"(!(was))", 0, 2, 0);
	T = trans[ 2][234] = settr(272,0,0,0,0,"sub-sequence", 0, 2, 0);
	T->nxt	= settr(272,0,233,0,0,"sub-sequence", 0, 2, 0);
	trans[2][233]	= settr(271,0,246,103,103,"listed = 1", 1, 2, 0);
	trans[2][237]	= settr(275,0,246,1,0,".(goto)", 0, 2, 0);
	trans[2][235]	= settr(273,0,246,2,0,"else", 0, 2, 0);
	trans[2][240]	= settr(278,0,246,1,0,".(goto)", 0, 2, 0);
	trans[2][238]	= settr(276,0,246,2,0,"else", 0, 2, 0);
	trans[2][248]	= settr(286,0,253,1,0,"break", 0, 2, 0);
	trans[2][252]	= settr(290,0,253,1,0,".(goto)", 0, 2, 0);
	trans[2][250]	= settr(288,0,253,2,0,"else", 0, 2, 0);
	trans[2][253]	= settr(291,0,355,104,104,"sleepers = (sleepers-1)", 1, 2, 0);
	T = trans[2][355] = settr(393,0,0,0,0,"IF", 0, 2, 0);
	T = T->nxt	= settr(393,0,258,0,0,"IF", 0, 2, 0);
	    T->nxt	= settr(393,0,354,0,0,"IF", 0, 2, 0);
	trans[2][258]	= settr(296,0,295,105,0,"(((sleepers>0)&&(!(armed)||(hot_word&1))))", 1, 2, 0);
	T = trans[ 2][295] = settr(333,0,0,0,0,"sub-sequence", 0, 2, 0);
	T->nxt	= settr(333,0,293,0,0,"sub-sequence", 0, 2, 0);
	T = trans[2][293] = settr(331,0,0,0,0,"IF", 0, 2, 0);
	T = T->nxt	= settr(331,0,259,0,0,"IF", 0, 2, 0);
	    T->nxt	= settr(331,0,292,0,0,"IF", 0, 2, 0);
	trans[2][259]	= settr(297,0,263,106,0,"((hot_word&1))", 1, 2, 0);
	T = trans[ 2][263] = settr(301,0,0,0,0,"sub-sequence", 0, 2, 0);
	T->nxt	= settr(301,0,262,0,0,"sub-sequence", 0, 2, 0);
	T = trans[ 2][262] = settr(300,2,0,0,0,"ATOMIC", 1, 2, 0);
	T->nxt	= settr(300,2,260,0,0,"ATOMIC", 1, 3, 0);
	trans[2][260]	= settr(298,2,261,107,107,"hot_word = (hot_word+1)", 1, 3, 0);
	trans[2][261]	= settr(299,0,270,108,108,"buffer[me]!1,hot_word", 1, 3, 0); /* m: 264 -> 270,0 */
	reached2[264] = 1;
	trans[2][264]	= settr(0,0,0,0,0,"q = 0",0,0,0);
	trans[2][271]	= settr(309,0,270,1,0,".(goto)", 0, 2, 0);
	T = trans[2][270] = settr(308,0,0,0,0,"DO", 0, 2, 0);
	T = T->nxt	= settr(308,0,265,0,0,"DO", 0, 2, 0);
	    T->nxt	= settr(308,0,268,0,0,"DO", 0, 2, 0);
	trans[2][265]	= settr(303,0,266,109,0,"((q<(1+1)))", 0, 2, 0);
	trans[2][266]	= settr(304,0,267,110,0,"(empty(buffer[q]))", 1, 1003, 0);
	trans[2][267]	= settr(305,0,270,111,111,"q = (q+1)", 0, 2, 0);
	trans[2][268]	= settr(306,0,291,2,0,"else", 0, 2, 0);
	trans[2][269]	= settr(307,0,291,1,0,"goto :b8", 0, 2, 0);
	trans[2][272]	= settr(310,0,291,1,0,"break", 0, 2, 0);
	T = trans[ 2][291] = settr(329,0,0,0,0,"sub-sequence", 0, 2, 0);
	T->nxt	= settr(329,0,273,0,0,"sub-sequence", 0, 2, 0);
	trans[2][273]	= settr(311,0,276,112,112,"listed = 0", 1, 2, 0);
	T = trans[ 2][276] = settr(314,2,0,0,0,"ATOMIC", 1, 2, 0);
	T->nxt	= settr(314,2,274,0,0,"ATOMIC", 1, 1003, 0);
	trans[2][274]	= settr(312,4,289,113,113,"(empty(buffer[me]))", 1, 1003, 0); /* m: 275 -> 289,0 */
	reached2[275] = 1;
	trans[2][275]	= settr(0,0,0,0,0,"ready = 0",0,0,0);
	T = trans[2][289] = settr(327,0,0,0,0,"IF", 0, 2, 0);
	T = T->nxt	= settr(327,0,277,0,0,"IF", 0, 2, 0);
	    T->nxt	= settr(327,0,288,0,0,"IF", 0, 2, 0);
	trans[2][277]	= settr(315,0,281,114,0,"((mem[0]>taken))", 1, 2, 0);
	T = trans[ 2][281] = settr(319,2,0,0,0,"ATOMIC", 1, 2, 0);
	T->nxt	= settr(319,2,278,0,0,"ATOMIC", 1, 1003, 0);
	trans[2][278]	= settr(316,4,286,115,115,"(empty(buffer[me]))", 1, 1003, 0); /* m: 279 -> 286,0 */
	reached2[279] = 1;
	trans[2][279]	= settr(0,0,0,0,0,"was = ready",0,0,0);
	trans[2][280]	= settr(0,0,0,0,0,"ready = 1",0,0,0);
	T = trans[2][286] = settr(324,0,0,0,0,"IF", 0, 2, 0);
	T = T->nxt	= settr(324,0,282,0,0,"IF", 0, 2, 0);
	    T->nxt	= settr(324,0,285,0,0,"IF", 0, 2, 0);
	trans[2][282]	= settr(320,0,284,116,116,"(!(was))", 0, 2, 0);
	T = trans[ 2][284] = settr(322,0,0,0,0,"sub-sequence", 0, 2, 0);
	T->nxt	= settr(322,0,283,0,0,"sub-sequence", 0, 2, 0);
	trans[2][283]	= settr(321,0,298,117,117,"listed = 1", 1, 2, 0);
	trans[2][287]	= settr(325,0,298,1,0,".(goto)", 0, 2, 0);
	trans[2][285]	= settr(323,0,298,2,0,"else", 0, 2, 0);
	trans[2][290]	= settr(328,0,298,1,0,".(goto)", 0, 2, 0);
	trans[2][288]	= settr(326,0,298,2,0,"else", 0, 2, 0);
	trans[2][294]	= settr(332,0,298,1,0,".(goto)", 0, 2, 0);
	trans[2][292]	= settr(330,0,298,2,0,"else", 0, 2, 0);
	T = trans[ 2][298] = settr(336,2,0,0,0,"ATOMIC", 1, 2, 0);
	T->nxt	= settr(336,2,296,0,0,"ATOMIC", 1, 1003, 0);
	trans[2][296]	= settr(334,4,304,118,118,"(empty(buffer[me]))", 1, 1003, 0); /* m: 297 -> 304,0 */
	reached2[297] = 1;
	trans[2][297]	= settr(0,0,0,0,0,"armed = 1",0,0,0);
	T = trans[2][304] = settr(342,0,0,0,0,"IF", 0, 2, 0);
	T = T->nxt	= settr(342,0,299,0,0,"IF", 0, 2, 0);
	    T->nxt	= settr(342,0,303,0,0,"IF", 0, 2, 0);
	trans[2][299]	= settr(337,0,300,119,0,"(stack)", 1, 2, 0);
	trans[2][300]	= settr(338,0,302,120,120,"stack = 0", 1, 2, 0);
	T = trans[ 2][302] = settr(340,0,0,0,0,"sub-sequence", 0, 2, 0);
	T->nxt	= settr(340,0,301,0,0,"sub-sequence", 0, 2, 0);
	trans[2][301]	= settr(339,0,352,121,121,"listed = 1", 1, 2, 0);
	trans[2][305]	= settr(343,0,352,1,0,".(goto)", 0, 2, 0);
	trans[2][303]	= settr(341,0,352,2,0,"else", 0, 2, 0);
	T = trans[2][352] = settr(390,0,0,0,0,"IF", 0, 2, 0);
	T = T->nxt	= settr(390,0,306,0,0,"IF", 0, 2, 0);
	T = T->nxt	= settr(390,0,317,0,0,"IF", 0, 2, 0);
	    T->nxt	= settr(390,0,351,0,0,"IF", 0, 2, 0);
	trans[2][306]	= settr(344,0,316,122,0,"((listed&&(mem[0]>taken)))", 1, 2, 0);
	T = trans[ 2][316] = settr(354,0,0,0,0,"sub-sequence", 0, 2, 0);
	T->nxt	= settr(354,0,310,0,0,"sub-sequence", 0, 2, 0);
	T = trans[ 2][310] = settr(348,2,0,0,0,"ATOMIC", 1, 2, 0);
	T->nxt	= settr(348,2,307,0,0,"ATOMIC", 1, 1003, 0);
	trans[2][307]	= settr(345,4,314,123,123,"(empty(buffer[me]))", 1, 1003, 0); /* m: 308 -> 314,0 */
	reached2[308] = 1;
	trans[2][308]	= settr(0,0,0,0,0,"was = armed",0,0,0);
	trans[2][309]	= settr(0,0,0,0,0,"armed = 0",0,0,0);
	T = trans[2][314] = settr(352,0,0,0,0,"IF", 0, 2, 0);
	T = T->nxt	= settr(352,0,311,0,0,"IF", 0, 2, 0);
	    T->nxt	= settr(352,0,313,0,0,"IF", 0, 2, 0);
	trans[2][311]	= settr(349,0,312,124,124,"(was)", 0, 2, 0);
	trans[2][312]	= settr(350,0,360,125,125,"wake = (wake+1)", 1, 2, 0);
	trans[2][315]	= settr(353,0,360,1,0,".(goto)", 0, 2, 0);
	trans[2][313]	= settr(351,0,360,2,0,"else", 0, 2, 0);
	trans[2][353]	= settr(391,0,360,1,0,".(goto)", 0, 2, 0);
	trans[2][317]	= settr(355,0,336,126,0,"((listed&&!((mem[0]>taken))))", 1, 2, 0);
	T = trans[ 2][336] = settr(374,0,0,0,0,"sub-sequence", 0, 2, 0);
	T->nxt	= settr(374,0,318,0,0,"sub-sequence", 0, 2, 0);
	trans[2][318]	= settr(356,0,321,127,127,"listed = 0", 1, 2, 0);
	T = trans[ 2][321] = settr(359,2,0,0,0,"ATOMIC", 1, 2, 0);
	T->nxt	= settr(359,2,319,0,0,"ATOMIC", 1, 1003, 0);
	trans[2][319]	= settr(357,4,334,128,128,"(empty(buffer[me]))", 1, 1003, 0); /* m: 320 -> 334,0 */
	reached2[320] = 1;
	trans[2][320]	= settr(0,0,0,0,0,"ready = 0",0,0,0);
	T = trans[2][334] = settr(372,0,0,0,0,"IF", 0, 2, 0);
	T = T->nxt	= settr(372,0,322,0,0,"IF", 0, 2, 0);
	    T->nxt	= settr(372,0,333,0,0,"IF", 0, 2, 0);
	trans[2][322]	= settr(360,0,326,129,0,"((mem[0]>taken))", 1, 2, 0);
	T = trans[ 2][326] = settr(364,2,0,0,0,"ATOMIC", 1, 2, 0);
	T->nxt	= settr(364,2,323,0,0,"ATOMIC", 1, 1003, 0);
	trans[2][323]	= settr(361,4,331,130,130,"(empty(buffer[me]))", 1, 1003, 0); /* m: 324 -> 331,0 */
	reached2[324] = 1;
	trans[2][324]	= settr(0,0,0,0,0,"was = ready",0,0,0);
	trans[2][325]	= settr(0,0,0,0,0,"ready = 1",0,0,0);
	T = trans[2][331] = settr(369,0,0,0,0,"IF", 0, 2, 0);
	T = T->nxt	= settr(369,0,327,0,0,"IF", 0, 2, 0);
	    T->nxt	= settr(369,0,330,0,0,"IF", 0, 2, 0);
	trans[2][327]	= settr(365,0,329,131,131,"(!(was))", 0, 2, 0);
	T = trans[ 2][329] = settr(367,0,0,0,0,"sub-sequence", 0, 2, 0);
	T->nxt	= settr(367,0,328,0,0,"sub-sequence", 0, 2, 0);
	trans[2][328]	= settr(366,0,349,132,132,"listed = 1", 1, 2, 0);
	trans[2][332]	= settr(370,0,349,1,0,".(goto)", 0, 2, 0);
	trans[2][330]	= settr(368,0,349,2,0,"else", 0, 2, 0);
	trans[2][335]	= settr(373,0,349,1,0,".(goto)", 0, 2, 0);
	trans[2][333]	= settr(371,0,349,2,0,"else", 0, 2, 0);
	T = trans[2][349] = settr(387,0,0,0,0,"IF", 0, 2, 0);
	T = T->nxt	= settr(387,0,337,0,0,"IF", 0, 2, 0);
	    T->nxt	= settr(387,0,348,0,0,"IF", 0, 2, 0);
	trans[2][337]	= settr(375,0,347,133,0,"(listed)", 1, 2, 0);
	T = trans[ 2][347] = settr(385,0,0,0,0,"sub-sequence", 0, 2, 0);
	T->nxt	= settr(385,0,341,0,0,"sub-sequence", 0, 2, 0);
	T = trans[ 2][341] = settr(379,2,0,0,0,"ATOMIC", 1, 2, 0);
	T->nxt	= settr(379,2,338,0,0,"ATOMIC", 1, 1003, 0);
	trans[2][338]	= settr(376,4,345,134,134,"(empty(buffer[me]))", 1, 1003, 0); /* m: 339 -> 345,0 */
	reached2[339] = 1;
	trans[2][339]	= settr(0,0,0,0,0,"was = armed",0,0,0);
	trans[2][340]	= settr(0,0,0,0,0,"armed = 0",0,0,0);
	T = trans[2][345] = settr(383,0,0,0,0,"IF", 0, 2, 0);
	T = T->nxt	= settr(383,0,342,0,0,"IF", 0, 2, 0);
	    T->nxt	= settr(383,0,344,0,0,"IF", 0, 2, 0);
	trans[2][342]	= settr(380,0,343,135,135,"(was)", 0, 2, 0);
	trans[2][343]	= settr(381,0,360,136,136,"wake = (wake+1)", 1, 2, 0);
	trans[2][346]	= settr(384,0,360,1,0,".(goto)", 0, 2, 0);
	trans[2][344]	= settr(382,0,360,2,0,"else", 0, 2, 0);
	trans[2][350]	= settr(388,0,360,1,0,".(goto)", 0, 2, 0);
	trans[2][348]	= settr(386,0,360,2,0,"else", 0, 2, 0);
	trans[2][351]	= settr(389,0,360,2,0,"else", 0, 2, 0);
	trans[2][356]	= settr(394,0,360,1,0,".(goto)", 0, 2, 0);
	trans[2][354]	= settr(392,0,360,2,0,"else", 0, 2, 0);
	T = trans[ 2][360] = settr(398,0,0,0,0,"sub-sequence", 0, 2, 0);
	T->nxt	= settr(398,0,359,0,0,"sub-sequence", 0, 2, 0);
	T = trans[ 2][359] = settr(397,2,0,0,0,"ATOMIC", 1, 2, 0);
	T->nxt	= settr(397,2,357,0,0,"ATOMIC", 1, 1003, 0);
	trans[2][357]	= settr(395,0,363,137,137,"(empty(buffer[me]))", 1, 1003, 0); /* m: 358 -> 363,0 */
	reached2[358] = 1;
	trans[2][358]	= settr(0,0,0,0,0,"turn = 0",0,0,0);
	trans[2][361]	= settr(399,0,366,1,0,"(1)", 0, 2, 0);
	trans[2][362]	= settr(400,0,366,1,0,"goto :b2", 0, 2, 0);
	trans[2][365]	= settr(403,0,366,1,0,"break", 0, 2, 0);
	trans[2][366]	= settr(404,0,0,138,138,"-end-", 0, 3500, 0);

	/* proctype 1: sender */

	trans[1] = (Trans **) emalloc(33*sizeof(Trans *));

	trans[1][30]	= settr(36,0,29,1,0,".(goto)", 0, 2, 0);
	T = trans[1][29] = settr(35,0,0,0,0,"DO", 0, 2, 0);
	T = T->nxt	= settr(35,0,1,0,0,"DO", 0, 2, 0);
	    T->nxt	= settr(35,0,27,0,0,"DO", 0, 2, 0);
	trans[1][1]	= settr(7,0,3,139,139,"((n<3))", 0, 2, 0); /* m: 2 -> 3,0 */
	reached1[2] = 1;
	trans[1][2]	= settr(0,0,0,0,0,"n = (n+1)",0,0,0);
	trans[1][3]	= settr(9,0,4,140,140,"buffer[me]!0,n", 1, 3, 0);
	trans[1][4]	= settr(10,0,25,141,141,"hot = mem[1]", 1, 2, 0);
	T = trans[1][25] = settr(31,0,0,0,0,"IF", 0, 2, 0);
	T = T->nxt	= settr(31,0,5,0,0,"IF", 0, 2, 0);
	    T->nxt	= settr(31,0,6,0,0,"IF", 0, 2, 0);
	trans[1][5]	= settr(11,0,29,142,142,"((hot&1))", 0, 2, 0);
	trans[1][26]	= settr(32,0,29,1,0,".(goto)", 0, 2, 0);
	trans[1][6]	= settr(12,0,24,143,143,"(!((hot&1)))", 0, 2, 0);
	T = trans[ 1][24] = settr(30,0,0,0,0,"sub-sequence", 0, 2, 0);
	T->nxt	= settr(30,0,10,0,0,"sub-sequence", 0, 2, 0);
	T = trans[ 1][10] = settr(16,2,0,0,0,"ATOMIC", 1, 2, 0);
	T->nxt	= settr(16,2,7,0,0,"ATOMIC", 1, 1003, 0);
	trans[1][7]	= settr(13,4,22,144,144,"(empty(buffer[me]))", 1, 1003, 0); /* m: 8 -> 22,0 */
	reached1[8] = 1;
	trans[1][8]	= settr(0,0,0,0,0,"was = ready",0,0,0);
	trans[1][9]	= settr(0,0,0,0,0,"ready = 1",0,0,0);
	T = trans[1][22] = settr(28,0,0,0,0,"IF", 0, 2, 0);
	T = T->nxt	= settr(28,0,11,0,0,"IF", 0, 2, 0);
	    T->nxt	= settr(28,0,21,0,0,"IF", 0, 2, 0);
	trans[1][11]	= settr(17,0,12,145,145,"(!(was))", 0, 2, 0);
	trans[1][12]	= settr(18,0,15,146,146,"stack = 1", 1, 2, 0);
	T = trans[ 1][15] = settr(21,2,0,0,0,"ATOMIC", 1, 2, 0);
	T->nxt	= settr(21,2,13,0,0,"ATOMIC", 1, 2, 0);
	trans[1][13]	= settr(19,4,19,147,147,"was = armed", 1, 2, 0); /* m: 14 -> 0,19 */
	reached1[14] = 1;
	trans[1][14]	= settr(0,0,0,0,0,"armed = 0",0,0,0);
	T = trans[1][19] = settr(25,0,0,0,0,"IF", 0, 2, 0);
	T = T->nxt	= settr(25,0,16,0,0,"IF", 0, 2, 0);
	    T->nxt	= settr(25,0,18,0,0,"IF", 0, 2, 0);
	trans[1][16]	= settr(22,0,17,148,148,"(was)", 0, 2, 0);
	trans[1][17]	= settr(23,0,29,149,149,"wake = (wake+1)", 1, 2, 0);
	trans[1][20]	= settr(26,0,29,1,0,".(goto)", 0, 2, 0);
	trans[1][18]	= settr(24,0,29,2,0,"else", 0, 2, 0);
	trans[1][23]	= settr(29,0,29,1,0,".(goto)", 0, 2, 0);
	trans[1][21]	= settr(27,0,29,2,0,"else", 0, 2, 0);
	trans[1][27]	= settr(33,0,32,2,0,"else", 0, 2, 0);
	trans[1][28]	= settr(34,0,32,1,0,"goto :b1", 0, 2, 0);
	trans[1][31]	= settr(37,0,32,1,0,"break", 0, 2, 0);
	trans[1][32]	= settr(38,0,0,150,150,"-end-", 0, 3500, 0);

	/* proctype 0: drain_buffer */

	trans[0] = (Trans **) emalloc(8*sizeof(Trans *));

	trans[0][5]	= settr(4,0,4,1,0,".(goto)", 0, 2, 0);
	T = trans[0][4] = settr(3,0,0,0,0,"DO", 0, 2, 0);
	    T->nxt	= settr(3,0,3,0,0,"DO", 0, 2, 0);
	T = trans[ 0][3] = settr(2,2,0,0,0,"ATOMIC", 1, 2, 0);
	T->nxt	= settr(2,2,1,0,0,"ATOMIC", 1, 503, 0);
	trans[0][1]	= settr(0,0,4,151,151,"buffer[me]?word,value", 1, 503, 0); /* m: 2 -> 4,0 */
	reached0[2] = 1;
	trans[0][2]	= settr(0,0,0,0,0,"mem[word] = value",0,0,0);
	trans[0][6]	= settr(5,0,7,1,0,"break", 0, 2, 0);
	trans[0][7]	= settr(6,0,0,152,152,"-end-", 0, 3500, 0);
	/* np_ demon: */
	trans[_NP_] = (Trans **) emalloc(3*sizeof(Trans *));
	T = trans[_NP_][0] = settr(9997,0,1,_T5,0,"(np_)", 1,2,0);
	    T->nxt	  = settr(9998,0,0,_T2,0,"(1)",   0,2,0);
	T = trans[_NP_][1] = settr(9999,0,1,_T5,0,"(np_)", 1,2,0);
}

Trans *
settr(	int t_id, int a, int b, int c, int d,
	char *t, int g, int tpe0, int tpe1)
{	Trans *tmp = (Trans *) emalloc(sizeof(Trans));

	tmp->atom  = a&(6|32);	/* only (2|8|32) have meaning */
	if (!g) tmp->atom |= 8;	/* no global references */
	tmp->st    = b;
	tmp->tpe[0] = tpe0;
	tmp->tpe[1] = tpe1;
	tmp->tp    = t;
	tmp->t_id  = t_id;
	tmp->forw  = c;
	tmp->back  = d;
	return tmp;
}

Trans *
cpytr(Trans *a)
{	Trans *tmp = (Trans *) emalloc(sizeof(Trans));

	int i;
	tmp->atom  = a->atom;
	tmp->st    = a->st;
#ifdef HAS_UNLESS
	tmp->e_trans = a->e_trans;
	for (i = 0; i < HAS_UNLESS; i++)
		tmp->escp[i] = a->escp[i];
#endif
	tmp->tpe[0] = a->tpe[0];
	tmp->tpe[1] = a->tpe[1];
	for (i = 0; i < 6; i++)
	{	tmp->qu[i] = a->qu[i];
		tmp->ty[i] = a->ty[i];
	}
	tmp->tp    = (char *) emalloc(strlen(a->tp)+1);
	strcpy(tmp->tp, a->tp);
	tmp->t_id  = a->t_id;
	tmp->forw  = a->forw;
	tmp->back  = a->back;
	return tmp;
}

#ifndef NOREDUCE
int
srinc_set(int n)
{	if (n <= 2) return LOCAL;
	if (n <= 2+  DELTA) return Q_FULL_F; /* 's' or nfull  */
	if (n <= 2+2*DELTA) return Q_EMPT_F; /* 'r' or nempty */
	if (n <= 2+3*DELTA) return Q_EMPT_T; /* empty */
	if (n <= 2+4*DELTA) return Q_FULL_T; /* full  */
	if (n ==   5*DELTA) return GLOBAL;
	if (n ==   6*DELTA) return TIMEOUT_F;
	if (n ==   7*DELTA) return ALPHA_F;
	Uerror("cannot happen srinc_class");
	return BAD;
}
int
srunc(int n, int m)
{	switch(m) {
	case Q_FULL_F: return n-2;
	case Q_EMPT_F: return n-2-DELTA;
	case Q_EMPT_T: return n-2-2*DELTA;
	case Q_FULL_T: return n-2-3*DELTA;
	case ALPHA_F:
	case TIMEOUT_F: return 257; /* non-zero, and > MAXQ */
	}
	Uerror("cannot happen srunc");
	return 0;
}
#endif
int cnt;
#ifdef HAS_UNLESS
int
isthere(Trans *a, int b)
{	Trans *t;
	for (t = a; t; t = t->nxt)
		if (t->t_id == b)
			return 1;
	return 0;
}
#endif
#ifndef NOREDUCE
int
mark_safety(Trans *t) /* for conditional safety */
{	int g = 0, i, j, k;

	if (!t) return 0;
	if (t->qu[0])
		return (t->qu[1])?2:1;	/* marked */

	for (i = 0; i < 2; i++)
	{	j = srinc_set(t->tpe[i]);
		if (j >= GLOBAL && j != ALPHA_F)
			return -1;
		if (j != LOCAL)
		{	k = srunc(t->tpe[i], j);
			if (g == 0
			||  t->qu[0] != k
			||  t->ty[0] != j)
			{	t->qu[g] = k;
				t->ty[g] = j;
				g++;
	}	}	}
	return g;
}
#endif
void
retrans(int n, int m, int is, short srcln[], uchar reach[], uchar lpstate[])
	/* process n, with m states, is=initial state */
{	Trans *T0, *T1, *T2, *T3;
	Trans *T4, *T5; /* t_reverse or has_unless */
	int i;
#if defined(HAS_UNLESS) || !defined(NOREDUCE)
	int k;
#endif
#ifndef NOREDUCE
	int g, h, j, aa;
#endif
#ifdef HAS_UNLESS
	int p;
#endif
	if (state_tables >= 4)
	{	printf("STEP 1 %s\n", 
			procname[n]);
		for (i = 1; i < m; i++)
		for (T0 = trans[n][i]; T0; T0 = T0->nxt)
			crack(n, i, T0, srcln);
		return;
	}
	do {
		for (i = 1, cnt = 0; i < m; i++)
		{	T2 = trans[n][i];
			T1 = T2?T2->nxt:(Trans *)0;
/* prescan: */		for (T0 = T1; T0; T0 = T0->nxt)
/* choice in choice */	{	if (T0->st && trans[n][T0->st]
				&&  trans[n][T0->st]->nxt)
					break;
			}
#if 0
		if (T0)
		printf("\tstate %d / %d: choice in choice\n",
		i, T0->st);
#endif
			if (T0)
			for (T0 = T1; T0; T0 = T0->nxt)
			{	T3 = trans[n][T0->st];
				if (!T3->nxt)
				{	T2->nxt = cpytr(T0);
					T2 = T2->nxt;
					imed(T2, T0->st, n, i);
					continue;
				}
				do {	T3 = T3->nxt;
					T2->nxt = cpytr(T3);
					T2 = T2->nxt;
					imed(T2, T0->st, n, i);
				} while (T3->nxt);
				cnt++;
			}
		}
	} while (cnt);
	if (state_tables >= 3)
	{	printf("STEP 2 %s\n", 
			procname[n]);
		for (i = 1; i < m; i++)
		for (T0 = trans[n][i]; T0; T0 = T0->nxt)
			crack(n, i, T0, srcln);
		return;
	}
	for (i = 1; i < m; i++)
	{	if (trans[n][i] && trans[n][i]->nxt) /* optimize */
		{	T1 = trans[n][i]->nxt;
#if 0
			printf("\t\tpull %d (%d) to %d\n",
			T1->st, T1->forw, i);
#endif
			srcln[i] = srcln[T1->st];	/* Oyvind Teig, 5.2.0 */

			if (!trans[n][T1->st]) continue;
			T0 = cpytr(trans[n][T1->st]);
			trans[n][i] = T0;
			reach[T1->st] = 1;
			imed(T0, T1->st, n, i);
			for (T1 = T1->nxt; T1; T1 = T1->nxt)
			{
#if 0
			printf("\t\tpull %d (%d) to %d\n",
				T1->st, T1->forw, i);
#endif
		/*		srcln[i] = srcln[T1->st];  gh: not useful */
				if (!trans[n][T1->st]) continue;
				T0->nxt = cpytr(trans[n][T1->st]);
				T0 = T0->nxt;
				reach[T1->st] = 1;
				imed(T0, T1->st, n, i);
	}	}	}
	if (state_tables >= 2)
	{	printf("STEP 3 %s\n", 
			procname[n]);
		for (i = 1; i < m; i++)
		for (T0 = trans[n][i]; T0; T0 = T0->nxt)
			crack(n, i, T0, srcln);
		return;
	}
#ifdef HAS_UNLESS
	for (i = 1; i < m; i++)
	{	if (!trans[n][i]) continue;
		/* check for each state i if an
		 * escape to some state p is defined
		 * if so, copy and mark p's transitions
		 * and prepend them to the transition-
		 * list of state i
		 */
	 if (!like_java) /* the default */
	 {	for (T0 = trans[n][i]; T0; T0 = T0->nxt)
		for (k = HAS_UNLESS-1; k >= 0; k--)
		{	if (p = T0->escp[k])
			for (T1 = trans[n][p]; T1; T1 = T1->nxt)
			{	if (isthere(trans[n][i], T1->t_id))
					continue;
				T2 = cpytr(T1);
				T2->e_trans = p;
				T2->nxt = trans[n][i];
				trans[n][i] = T2;
		}	}
	 } else /* outermost unless checked first */
	 {	T4 = T3 = (Trans *) 0;
		for (T0 = trans[n][i]; T0; T0 = T0->nxt)
		for (k = HAS_UNLESS-1; k >= 0; k--)
		{	if (p = T0->escp[k])
			for (T1 = trans[n][p]; T1; T1 = T1->nxt)
			{	if (isthere(trans[n][i], T1->t_id))
					continue;
				T2 = cpytr(T1);
				T2->nxt = (Trans *) 0;
				T2->e_trans = p;
				if (T3)	T3->nxt = T2;
				else	T4 = T2;
				T3 = T2;
		}	}
		if (T4)
		{	T3->nxt = trans[n][i];
			trans[n][i] = T4;
		}
	 }
	}
#endif
#ifndef NOREDUCE
	for (i = 1; i < m; i++)
	{	if (a_cycles)
		{ /* moves through these states are visible */
	#if PROG_LAB>0 && defined(HAS_NP)
			if (progstate[n][i])
				goto degrade;
			for (T1 = trans[n][i]; T1; T1 = T1->nxt)
				if (progstate[n][T1->st])
					goto degrade;
	#endif
			if (accpstate[n][i] || visstate[n][i])
				goto degrade;
			for (T1 = trans[n][i]; T1; T1 = T1->nxt)
				if (accpstate[n][T1->st])
					goto degrade;
		}
		T1 = trans[n][i];
		if (!T1) continue;
		g = mark_safety(T1);	/* V3.3.1 */
		if (g < 0) goto degrade; /* global */
		/* check if mixing of guards preserves reduction */
		if (T1->nxt)
		{	k = 0;
			for (T0 = T1; T0; T0 = T0->nxt)
			{	if (!(T0->atom&8))
					goto degrade;
				for (aa = 0; aa < 2; aa++)
				{	j = srinc_set(T0->tpe[aa]);
					if (j >= GLOBAL && j != ALPHA_F)
						goto degrade;
					if (T0->tpe[aa]
					&&  T0->tpe[aa]
					!=  T1->tpe[0])
						k = 1;
			}	}
			/* g = 0;	V3.3.1 */
			if (k)	/* non-uniform selection */
			for (T0 = T1; T0; T0 = T0->nxt)
			for (aa = 0; aa < 2; aa++)
			{	j = srinc_set(T0->tpe[aa]);
				if (j != LOCAL)
				{	k = srunc(T0->tpe[aa], j);
					for (h = 0; h < 6; h++)
						if (T1->qu[h] == k
						&&  T1->ty[h] == j)
							break;
					if (h >= 6)
					{	T1->qu[g%6] = k;
						T1->ty[g%6] = j;
						g++;
			}	}	}
			if (g > 6)
			{	T1->qu[0] = 0;	/* turn it off */
				printf("pan: warning, line %d, ",
					srcln[i]);
			 	printf("too many stmnt types (%d)",
					g);
			  	printf(" in selection\n");
			  goto degrade;
			}
		}
		/* mark all options global if >=1 is global */
		for (T1 = trans[n][i]; T1; T1 = T1->nxt)
			if (!(T1->atom&8)) break;
		if (T1)
degrade:	for (T1 = trans[n][i]; T1; T1 = T1->nxt)
			T1->atom &= ~8;	/* mark as unsafe */
		/* can only mix 'r's or 's's if on same chan */
		/* and not mixed with other local operations */
		T1 = trans[n][i];
		if (!T1 || T1->qu[0]) continue;
		j = T1->tpe[0];
		if (T1->nxt && T1->atom&8)
		{ if (j == 5*DELTA)
		  {	printf("warning: line %d ", srcln[i]);
			printf("mixed condition ");
			printf("(defeats reduction)\n");
			goto degrade;
		  }
		  for (T0 = T1; T0; T0 = T0->nxt)
		  for (aa = 0; aa < 2; aa++)
		  if  (T0->tpe[aa] && T0->tpe[aa] != j)
		  {	printf("warning: line %d ", srcln[i]);
			printf("[%d-%d] mixed %stion ",
				T0->tpe[aa], j, 
				(j==5*DELTA)?"condi":"selec");
			printf("(defeats reduction)\n");
			printf("	'%s' <-> '%s'\n",
				T1->tp, T0->tp);
			goto degrade;
		} }
	}
#endif
	for (i = 1; i < m; i++)
	{	T2 = trans[n][i];
		if (!T2
		||  T2->nxt
		||  strncmp(T2->tp, ".(goto)", 7)
		||  !stopstate[n][i])
			continue;
		stopstate[n][T2->st] = 1;
	}
	if (state_tables && !verbose)
	{	if (dodot)
		{	char buf[256], *q = buf, *p = procname[n];
			while (*p != '\0')
			{	if (*p != ':')
				{	*q++ = *p;
				}
				p++;
			}
			*q = '\0';
			printf("digraph ");
			switch (Btypes[n]) {
			case I_PROC:  printf("init {\n"); break;
			case N_CLAIM: printf("claim_%s {\n", buf); break;
			case E_TRACE: printf("notrace {\n"); break;
			case N_TRACE: printf("trace {\n"); break;
			default:      printf("p_%s {\n", buf); break;
			}
			printf("size=\"8,10\";\n");
			printf("  GT [shape=box,style=dotted,label=\"%s\"];\n", buf);
			printf("  GT -> S%d;\n", is);
		} else
		{	switch (Btypes[n]) {
			case I_PROC:  printf("init\n"); break;
			case N_CLAIM: printf("claim %s\n", procname[n]); break;
			case E_TRACE: printf("notrace assertion\n"); break;
			case N_TRACE: printf("trace assertion\n"); break;
			default:      printf("proctype %s\n", procname[n]); break;
		}	}
		for (i = 1; i < m; i++)
		{	reach[i] = 1;
		}
		tagtable(n, m, is, srcln, reach);
		if (dodot) printf("}\n");
	} else
	for (i = 1; i < m; i++)
	{	int nrelse;
		if (Btypes[n] != N_CLAIM)
		{	for (T0 = trans[n][i]; T0; T0 = T0->nxt)
			{	if (T0->st == i
				&& strcmp(T0->tp, "(1)") == 0)
				{	printf("error: proctype '%s' ",
						procname[n]);
		  			printf("line %d, state %d: has un",
						srcln[i], i);
					printf("conditional self-loop\n");
					pan_exit(1);
		}	}	}
		nrelse = 0;
		for (T0 = trans[n][i]; T0; T0 = T0->nxt)
		{	if (strcmp(T0->tp, "else") == 0)
				nrelse++;
		}
		if (nrelse > 1)
		{	printf("error: proctype '%s' state",
				procname[n]);
		  	printf(" %d, inherits %d", i, nrelse);
		  	printf(" 'else' stmnts\n");
			pan_exit(1);
	}	}
#if !defined(LOOPSTATE) && !defined(BFS_PAR)
	if (state_tables)
#endif
	do_dfs(n, m, is, srcln, reach, lpstate);

	if (!t_reverse)
	{	return;
	}
	/* process n, with m states, is=initial state -- reverse list */
	if (!state_tables && Btypes[n] != N_CLAIM)
	{	for (i = 1; i < m; i++)
		{	Trans *Tx = (Trans *) 0; /* list of escapes */
			Trans *Ty = (Trans *) 0; /* its tail element */
			T1 = (Trans *) 0; /* reversed list */
			T2 = (Trans *) 0; /* its tail */
			T3 = (Trans *) 0; /* remembers possible 'else' */

			/* find unless-escapes, they should go first */
			T4 = T5 = T0 = trans[n][i];
	#ifdef HAS_UNLESS
			while (T4 && T4->e_trans) /* escapes are first in orig list */
			{	T5 = T4;	  /* remember predecessor */
				T4 = T4->nxt;
			}
	#endif
			/* T4 points to first non-escape, T5 to its parent, T0 to original list */
			if (T4 != T0)		 /* there was at least one escape */
			{	T3 = T5->nxt;		 /* start of non-escapes */
				T5->nxt = (Trans *) 0;	 /* separate */
				Tx = T0;		 /* start of the escapes */
				Ty = T5;		 /* its tail */
				T0 = T3;		 /* the rest, to be reversed */
			}
			/* T0 points to first non-escape, Tx to the list of escapes, Ty to its tail */

			/* first tail-add non-escape transitions, reversed */
			T3 = (Trans *) 0;
			for (T5 = T0; T5; T5 = T4)
			{	T4 = T5->nxt;
	#ifdef HAS_UNLESS
				if (T5->e_trans)
				{	printf("error: cannot happen!\n");
					continue;
				}
	#endif
				if (strcmp(T5->tp, "else") == 0)
				{	T3 = T5;
					T5->nxt = (Trans *) 0;
				} else
				{	T5->nxt = T1;
					if (!T1) { T2 = T5; }
					T1 = T5;
			}	}
			/* T3 points to a possible else, which is removed from the list */
			/* T1 points to the reversed list so far (without escapes) */
			/* T2 points to the tail element -- where the else should go */
			if (T2 && T3)
			{	T2->nxt = T3;	/* add else */
			} else
			{	if (T3) /* there was an else, but there's no tail */
				{	if (!T1)	/* and no reversed list */
					{	T1 = T3; /* odd, but possible */
					} else		/* even stranger */
					{	T1->nxt = T3;
			}	}	}

			/* add in the escapes, to that they appear at the front */
			if (Tx && Ty) { Ty->nxt = T1; T1 = Tx; }

			trans[n][i] = T1;
			/* reversed, with escapes first and else last */
	}	}
	if (state_tables && verbose)
	{	printf("FINAL proctype %s\n", 
			procname[n]);
		for (i = 1; i < m; i++)
		for (T0 = trans[n][i]; T0; T0 = T0->nxt)
			crack(n, i, T0, srcln);
	}
}
void
imed(Trans *T, int v, int n, int j)	/* set intermediate state */
{	progstate[n][T->st] |= progstate[n][v];
	accpstate[n][T->st] |= accpstate[n][v];
	stopstate[n][T->st] |= stopstate[n][v];
	mapstate[n][j] = T->st;
}
void
tagtable(int n, int m, int is, short srcln[], uchar reach[])
{	Trans *z;

	if (is >= m || !trans[n][is]
	||  is <= 0 || reach[is] == 0)
		return;
	reach[is] = 0;
	if (state_tables)
	for (z = trans[n][is]; z; z = z->nxt)
	{	if (dodot)
			dot_crack(n, is, z);
		else
			crack(n, is, z, srcln);
	}

	for (z = trans[n][is]; z; z = z->nxt)
	{
#ifdef HAS_UNLESS
		int i, j;
#endif
		tagtable(n, m, z->st, srcln, reach);
#ifdef HAS_UNLESS
		for (i = 0; i < HAS_UNLESS; i++)
		{	j = trans[n][is]->escp[i];
			if (!j) break;
			tagtable(n, m, j, srcln, reach);
		}
#endif
	}
}

extern Trans *t_id_lkup[];

void
dfs_table(int n, int m, int is, short srcln[], uchar reach[], uchar lpstate[])
{	Trans *z;

	if (is >= m || is <= 0 || !trans[n][is])
		return;
	if ((reach[is] & (4|8|16)) != 0)
	{	if ((reach[is] & (8|16)) == 16)	/* on stack, not yet recorded */
		{	lpstate[is] = 1;
			reach[is] |= 8; /* recorded */
			if (state_tables && verbose)
			{	printf("state %d line %d is a loopstate\n", is, srcln[is]);
		}	}
		return;
	}
	reach[is] |= (4|16);	/* visited | onstack */
	for (z = trans[n][is]; z; z = z->nxt)
	{	t_id_lkup[z->t_id] = z;
#ifdef HAS_UNLESS
		int i, j;
#endif
		dfs_table(n, m, z->st, srcln, reach, lpstate);
#ifdef HAS_UNLESS
		for (i = 0; i < HAS_UNLESS; i++)
		{	j = trans[n][is]->escp[i];
			if (!j) break;
			dfs_table(n, m, j, srcln, reach, lpstate);
		}
#endif
	}
	reach[is] &= ~16; /* no longer on stack */
}
void
do_dfs(int n, int m, int is, short srcln[], uchar reach[], uchar lpstate[])
{	int i;
	dfs_table(n, m, is, srcln, reach, lpstate);
	for (i = 0; i < m; i++)
		reach[i] &= ~(4|8|16);
}
void
crack(int n, int j, Trans *z, short srcln[])
{	int i;

	if (!z) return;
	printf("	state %3d -(tr %3d)-> state %3d  ",
		j, z->forw, z->st);
	printf("[id %3d tp %3d", z->t_id, z->tpe[0]);
	if (z->tpe[1]) printf(",%d", z->tpe[1]);
#ifdef HAS_UNLESS
	if (z->e_trans)
		printf(" org %3d", z->e_trans);
	else if (state_tables >= 2)
	for (i = 0; i < HAS_UNLESS; i++)
	{	if (!z->escp[i]) break;
		printf(" esc %d", z->escp[i]);
	}
#endif
	printf("]");
	printf(" [%s%s%s%s%s] %s:%d => ",
		z->atom&6?"A":z->atom&32?"D":"-",
		accpstate[n][j]?"a" :"-",
		stopstate[n][j]?"e" : "-",
		progstate[n][j]?"p" : "-",
		z->atom & 8 ?"L":"G",
		PanSource, srcln[j]);
	for (i = 0; z->tp[i]; i++)
		if (z->tp[i] == '\n')
			printf("\\n");
		else
			putchar(z->tp[i]);
	if (verbose && z->qu[0])
	{	printf("\t[");
		for (i = 0; i < 6; i++)
			if (z->qu[i])
				printf("(%d,%d)",
				z->qu[i], z->ty[i]);
		printf("]");
	}
	printf("\n");
	fflush(stdout);
}
/* spin -a m.pml; cc -o pan pan.c; ./pan -D | dot -Tps > foo.ps; ps2pdf foo.ps */
void
dot_crack(int n, int j, Trans *z)
{	int i;

	if (!z) return;
	printf("	S%d -> S%d  [color=black", j, z->st);

	if (z->atom&6) printf(",style=dashed");
	else if (z->atom&32) printf(",style=dotted");
	else if (z->atom&8) printf(",style=solid");
	else printf(",style=bold");

	printf(",label=\"");
	for (i = 0; z->tp[i]; i++)
	{	if (z->tp[i] == '\\'
		&&  z->tp[i+1] == 'n')
		{	i++; printf(" ");
		} else
		{	putchar(z->tp[i]);
	}	}
	printf("\"];\n");
	if (accpstate[n][j]) printf("  S%d [color=red,style=bold];\n", j);
	else if (progstate[n][j]) printf("  S%d [color=green,style=bold];\n", j);
	if (stopstate[n][j]) printf("  S%d [color=blue,style=bold,shape=box];\n", j);
}

#ifdef VAR_RANGES
#define BYTESIZE	32	/* 2^8 : 2^3 = 256:8 = 32 */

typedef struct Vr_Ptr {
	char	*nm;
	uchar	vals[BYTESIZE];
	struct Vr_Ptr *nxt;
} Vr_Ptr;
Vr_Ptr *ranges = (Vr_Ptr *) 0;

void
logval(char *s, int v)
{	Vr_Ptr *tmp;

	if (v<0 || v > 255) return;
	for (tmp = ranges; tmp; tmp = tmp->nxt)
		if (!strcmp(tmp->nm, s))
			goto found;
	tmp = (Vr_Ptr *) emalloc(sizeof(Vr_Ptr));
	tmp->nxt = ranges;
	ranges = tmp;
	tmp->nm = s;
found:
	tmp->vals[(v)/8] |= 1<<((v)%8);
}

void
dumpval(uchar X[], int range)
{	int w, x, i, j = -1;

	for (w = i = 0; w < range; w++)
	for (x = 0; x < 8; x++, i++)
	{
from:		if ((X[w] & (1<<x)))
		{	printf("%d", i);
			j = i;
			goto upto;
	}	}
	return;
	for (w = 0; w < range; w++)
	for (x = 0; x < 8; x++, i++)
	{
upto:		if (!(X[w] & (1<<x)))
		{	if (i-1 == j)
				printf(", ");
			else
				printf("-%d, ", i-1);
			goto from;
	}	}
	if (j >= 0 && j != 255)
		printf("-255");
}

void
dumpranges(void)
{	Vr_Ptr *tmp;
	printf("\nValues assigned within ");
	printf("interval [0..255]:\n");
	for (tmp = ranges; tmp; tmp = tmp->nxt)
	{	printf("\t%s\t: ", tmp->nm);
		dumpval(tmp->vals, BYTESIZE);
		printf("\n");
	}
}
#endif
